import { screen, waitFor } from "@testing-library/react";
import { HttpResponse } from "msw";
import { open } from "@/test/open";
import { problem, route, server } from "@/test/server";
import { JOB_ID, jobOf, runningJob } from "@/test/values";

const address = `/jobs/${JOB_ID}`;

const group = (error_type: string, count: number) => ({
  error_type,
  pattern: `<n> ${error_type}`,
  message: `7 ${error_type}`,
  count,
  outcomes: { failed: count },
  first_index: 2,
  task_ids: [`${JOB_ID}-2`],
});

test("the page says state, why, and every count", async () => {
  open(address);
  expect(await screen.findByRole("heading", { name: "nightly" })).toBeVisible();
  expect(screen.getByText("1 of 3 tasks failed, more than are tolerated")).toBeVisible();
  expect(screen.getByRole("link", { name: /Failed 1/ })).toHaveAttribute(
    "href",
    `${address}?tab=tasks&state=FAILED`,
  );
  expect(await screen.findByRole("application")).toHaveAccessibleName(/^3 tasks/);
});

test("another's job is not found", async () => {
  server.use(route("get", "/jobs/:job", () => problem(404, "Not found", "There is no such job.")));
  open(address);
  expect(await screen.findByText("There is no such thing here")).toBeVisible();
});

test("a key that may not read says so", async () => {
  server.use(route("get", "/jobs/:job", () => problem(403, "Access denied", "The role viewer may not.")));
  open(address);
  expect(await screen.findByText("Your key may not see this")).toBeVisible();
});

test("failures are grouped, most frequent first, and one group is retried", async () => {
  const bodies: unknown[] = [];
  server.use(
    route("get", "/jobs/:job/errors", () =>
      HttpResponse.json({
        groups: [group("KeyError", 1), group("ValueError", 4)],
        read: 5,
        total: 5,
        complete: true,
        next_cursor: null,
      }),
    ),
    route("post", "/jobs/:job/retry", async (request) => {
      bodies.push(await request.json());
      return HttpResponse.json(runningJob({ gen: 2 }), { status: 202 });
    }),
  );
  const { user } = open(address);
  const buttons = await screen.findAllByRole("button", { name: /^Retry (Value|Key)Error$/ });
  expect(buttons.map((button) => button.textContent)).toEqual(["Retry ValueError", "Retry KeyError"]);
  await user.click(buttons[0] as HTMLElement);
  await user.click(screen.getByRole("button", { name: "Retry" }));
  await waitFor(() => expect(bodies).toEqual([{ error_types: ["ValueError"] }]));
});

test("a double click on retry is one request's key", async () => {
  const keys: (string | null)[] = [];
  server.use(
    route("post", "/jobs/:job/retry", (request) => {
      keys.push(request.headers.get("idempotency-key"));
      return HttpResponse.json(runningJob({ gen: 2 }), { status: 202 });
    }),
  );
  const { user } = open(address);
  await user.click(await screen.findByRole("button", { name: "Retry failed" }));
  await user.dblClick(screen.getByRole("button", { name: "Retry" }));
  await waitFor(() => expect(keys.length).toBeGreaterThan(0));
  expect(new Set(keys).size).toBe(1);
  expect(keys[0]).toMatch(/^[0-9a-f-]{36}$/);
});

test("a refused retry stays in the question with its reason", async () => {
  server.use(route("post", "/jobs/:job/retry", () => problem(409, "Not now", "The job is not final.")));
  const { user } = open(address);
  await user.click(await screen.findByRole("button", { name: "Retry failed" }));
  await user.click(screen.getByRole("button", { name: "Retry" }));
  expect(await screen.findByText(/The job is not final/)).toBeVisible();
});

test("an unchanged job costs one short answer", async () => {
  const asked: (string | null)[] = [];
  server.use(
    route("get", "/jobs/:job", (request) => {
      asked.push(request.headers.get("if-none-match"));
      if (asked.at(-1) === '"e1"') return new HttpResponse(null, { status: 304 });
      return HttpResponse.json(jobOf(), { headers: { etag: '"e1"' } });
    }),
  );
  const { user } = open(address);
  await screen.findByRole("heading", { name: "nightly" });
  await user.click(screen.getByRole("button", { name: "Refresh now" }));
  await waitFor(() => expect(asked).toContain('"e1"'));
  expect(screen.getByRole("heading", { name: "nightly" })).toBeVisible();
});

test("results of a job that runs are not there yet", async () => {
  server.use(route("get", "/jobs/:job", () => HttpResponse.json(runningJob())));
  open(`${address}?tab=results`);
  expect(await screen.findByText("There are no results yet")).toBeVisible();
});

test("results are links to each part", async () => {
  const part = { url: "http://bucket/part-0", first_index: 0, lines: 3, bytes: 468, sha256: "033959891ea9" };
  server.use(
    route("get", "/jobs/:job/results", () =>
      HttpResponse.json({
        job_id: JOB_ID,
        state: "FAILED",
        counts: jobOf().counts,
        lines: 3,
        bytes: 468,
        parts: [part],
        manifest_url: "http://bucket/m",
        expires_in_seconds: 3600,
      }),
    ),
  );
  open(`${address}?tab=results`);
  expect(await screen.findByRole("link", { name: "Download JSONL" })).toHaveAttribute("href", part.url);
});

test("the audit reads every page and gives the worst verdict", async () => {
  const page = (verdict: string, stop: number, next_cursor: string | null) => ({
    job_id: JOB_ID,
    gen: 1,
    state: "FAILED",
    total: 3,
    verdict,
    checked: { start: 0, stop },
    next_cursor,
    counts: { rows: {}, sets: {}, node: {}, root: {} },
    kinds: {},
    findings:
      verdict === "clean"
        ? []
        : [
            {
              kind: "row_without_set",
              severity: "violation",
              task_id: null,
              leaf: 0,
              node: 0,
              expected: "a",
              found: "b",
              explanation: "A row is not counted.",
            },
          ],
  });
  server.use(
    route("get", "/jobs/:job/audit", (request) =>
      HttpResponse.json(
        new URL(request.url).searchParams.has("cursor") ? page("clean", 3, null) : page("violated", 2, "c"),
      ),
    ),
  );
  open(`${address}?tab=audit`);
  expect(await screen.findByText(/^Violated/)).toBeVisible();
  expect(await screen.findByText("3 of 3 tasks checked.")).toBeVisible();
  expect(screen.getByText("row_without_set")).toBeVisible();
});
