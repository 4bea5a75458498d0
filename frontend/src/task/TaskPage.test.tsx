import { screen, waitFor } from "@testing-library/react";
import { HttpResponse } from "msw";
import { open } from "@/test/open";
import { problem, route, server } from "@/test/server";
import { JOB_ID, jobOf, runningJob, taskOf } from "@/test/values";

const address = `/tasks/${JOB_ID}-2`;
const task = (fields = {}) =>
  server.use(route("get", "/tasks/:task", () => HttpResponse.json(taskOf(fields))));

test("a failed task shows its error, traceback, attempts and input", async () => {
  task();
  open(address);
  expect(await screen.findByRole("heading", { name: "Task 2" })).toBeVisible();
  expect(screen.getByText("Traceback: line 1")).toBeVisible();
  expect(screen.getAllByText(/ValueError: row 7 is bad/)[0]).toBeVisible();
  expect(screen.getByLabelText("Input, as JSON")).toHaveTextContent('{ "seconds": -1 }');
});

test("an attempt links to what its container said", async () => {
  const [attempt] = taskOf().attempts;
  task({ attempts: [{ ...attempt, log_url: "http://bucket/log" }] });
  open(address);
  expect(await screen.findByRole("link", { name: "Log" })).toHaveAttribute("href", "http://bucket/log");
});

test("one task is retried by its index", async () => {
  task();
  const bodies: unknown[] = [];
  server.use(
    route("post", "/jobs/:job/retry", async (request) => {
      bodies.push(await request.json());
      return HttpResponse.json(jobOf({ gen: 2 }), { status: 202 });
    }),
  );
  const { user } = open(address);
  await user.click(await screen.findByRole("button", { name: "Retry this task" }));
  await user.click(screen.getByRole("button", { name: "Retry" }));
  await waitFor(() => expect(bodies).toEqual([{ indexes: [2] }]));
});

test("while its job runs, a task cannot be retried", async () => {
  task();
  server.use(route("get", "/jobs/:job", () => HttpResponse.json(runningJob())));
  open(address);
  expect(await screen.findByRole("button", { name: "Retry this task" })).toBeDisabled();
});

test("a large result is a link, a task that succeeded has no retry", async () => {
  task({ state: "SUCCEEDED", error: null, result_url: "http://bucket/result" });
  open(address);
  expect(await screen.findByRole("link", { name: "Download it" })).toHaveAttribute(
    "href",
    "http://bucket/result",
  );
  expect(screen.queryByRole("button", { name: "Retry this task" })).toBeNull();
});

test("a running task shows how far it is", async () => {
  task({ state: "RUNNING", error: null, attempts: [], progress: 0.42, finished_at: null });
  open(address);
  expect(await screen.findByRole("progressbar")).toHaveAttribute("value", "0.42");
  expect(screen.getByText("No attempt has ended yet")).toBeVisible();
});

test("a task that is not there says so", async () => {
  server.use(route("get", "/tasks/:task", () => problem(404, "Not found", "There is no such task.")));
  open(address);
  expect(await screen.findByText("There is no such thing here")).toBeVisible();
});
