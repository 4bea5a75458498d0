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

test("a state of the legend is picked out of the grid, and let go", async () => {
  const { user } = open(address);
  const failed = await screen.findByRole("button", { name: "Failed 1" });
  expect(failed).toHaveAttribute("aria-pressed", "false");
  await user.click(failed);
  expect(failed).toHaveAttribute("aria-pressed", "true");
  expect(screen.getByRole("button", { name: "Succeeded 2" })).toHaveAttribute("aria-pressed", "false");
  await user.click(failed);
  expect(failed).toHaveAttribute("aria-pressed", "false");
});

test("the timeline says what happened, when, and by whom", async () => {
  const event = { gen: 1, by: null, state: null, detail: null, tasks: null };
  server.use(
    route("get", "/jobs/:job/events", () =>
      HttpResponse.json({
        events: [
          { ...event, at: "2026-11-25T09:00:00Z", event: "submitted", by: "key-1", state: "CREATED" },
          { ...event, at: "2026-11-25T09:00:05Z", event: "planned", tasks: 3 },
          { ...event, at: "2026-11-25T09:01:05Z", event: "retried", gen: 4, tasks: 1, detail: "FAILED" },
        ],
        from_gen: 3,
      }),
    ),
  );
  open(`${address}?tab=timeline`);
  const rows = await screen.findAllByRole("listitem");
  expect(rows.map((row) => row.textContent)).toEqual([
    expect.stringMatching(/^submitted.*by key-1/),
    expect.stringMatching(/^planned.*3 tasks.*\+5 s$/),
    expect.stringMatching(/^retried.*generation 4.*1 tasks chosen · FAILED.*\+1 m$/),
  ]);
  expect(screen.getByText(/between the submit and generation 3 is no longer kept/)).toBeVisible();
});

test("the spec is what was submitted", async () => {
  server.use(route("get", "/jobs/:job", () => HttpResponse.json(jobOf({ priority: 8 }))));
  open(`${address}?tab=spec`);
  const spec = await screen.findByLabelText("Spec of the job, as JSON");
  expect(spec).toHaveTextContent('"handler": "sleep"');
  expect(spec).toHaveTextContent('"priority": 8');
  expect(spec).toHaveTextContent('"max_attempts": 3');
  expect(screen.getByText("Priority").closest("div")).toHaveTextContent("Priority8");
});

test("the cost is an estimate with its lines, in dollars", async () => {
  const line = { item: "requests", unit: "requests", basis: "counted" };
  server.use(
    route("get", "/jobs/:job/cost", () =>
      HttpResponse.json({
        job_id: JOB_ID,
        gen: 1,
        state: "SUCCEEDED",
        estimate: true,
        currency: "USD",
        region: "us-east-1",
        prices_as_of: "2026-11-01",
        lines: [
          { ...line, service: "SQS", quantity: 4000, usd: 0.0016 },
          { ...line, service: "Workers", quantity: 7, usd: 0.25 },
        ],
        platform_usd: 0.0016,
        workers_usd: 0.25,
        total_usd: 0.2516,
        usd_per_million_tasks: 0.82,
        attempts: 3,
        worker_seconds: 12,
        notes: ["Requests of the site are not in it."],
      }),
    ),
  );
  open(`${address}?tab=cost`);
  const row = (await screen.findByText("SQS")).closest("tr");
  expect(row).toHaveTextContent(/4,000 requests.*counted.*\$0\.0016/);
  expect(screen.getByText(/^Total, of which/).closest("tr")).toHaveTextContent(
    /\$0\.0016 .*\$0\.25 .*\$0\.25/,
  );
  expect(screen.getAllByText(/estimate/i)[0]).toBeVisible();
});
