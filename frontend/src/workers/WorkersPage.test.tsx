import { screen } from "@testing-library/react";
import { HttpResponse } from "msw";
import { open } from "@/test/open";
import { route, server } from "@/test/server";
import { JOB_ID } from "@/test/values";

const now = new Date().toISOString();
const worker = {
  worker_id: "w-1",
  version: "abc123",
  handlers: ["echo", "sleep"],
  unknown_handlers: ["missing.one"],
  slots: 4,
  draining: true,
  alive_since: now,
  seen_at: now,
  running: 3,
  tasks: [{ task_id: `${JOB_ID}-7`, job_id: JOB_ID, index: 7, attempt: 2, started_at: now, progress: 0.5 }],
  not_shown: 2,
};

test("a worker shows version, handlers, slots and what it runs", async () => {
  server.use(route("get", "/workers", () => HttpResponse.json({ workers: [worker], next_cursor: null })));
  open("/workers");
  expect(await screen.findByRole("heading", { name: "w-1" })).toBeVisible();
  expect(screen.getByRole("img", { name: "3 of 4 slots busy" })).toBeVisible();
  expect(screen.getByRole("link", { name: `${JOB_ID}-7` })).toHaveAttribute("href", `/tasks/${JOB_ID}-7`);
  expect(screen.getByRole("link", { name: "sleep" })).toHaveAttribute("href", "/submit?handler=sleep");
  expect(screen.getByText("missing.one is missing")).toBeVisible();
  expect(screen.getByText("draining")).toBeVisible();
  expect(screen.getByText(/^2 more/)).toBeVisible();
});

test("without workers it says how to start one", async () => {
  open("/workers");
  expect(await screen.findByText("No worker has been heard of for three minutes")).toBeVisible();
});
