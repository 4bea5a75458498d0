import { fireEvent, screen, waitFor } from "@testing-library/react";
import { HttpResponse, http } from "msw";
import { open } from "@/test/open";
import { problem, route, server } from "@/test/server";
import { JOB_ID, jobOf, taskOf } from "@/test/values";

type User = ReturnType<typeof open>["user"];

async function fill(user: User, items?: string) {
  await user.type(await screen.findByLabelText("Name"), "nightly");
  await user.type(screen.getByLabelText("Handler"), "sleep");
  if (items !== undefined)
    fireEvent.change(screen.getByRole("textbox", { name: "Items" }), { target: { value: items } });
}

function submits() {
  const seen: { body: unknown; key: string | null }[] = [];
  server.use(
    route("post", "/jobs", async (request) => {
      seen.push({ body: await request.json(), key: request.headers.get("idempotency-key") });
      return HttpResponse.json(jobOf(), { status: 201 });
    }),
  );
  return seen;
}

test("a double click submits once and leads to the job", async () => {
  const seen = submits();
  const { router, user } = open("/submit");
  await fill(user, '[{"n": 1}]');
  await user.dblClick(screen.getByRole("button", { name: "Submit" }));
  await waitFor(() => expect(router.state.location.pathname).toBe(`/jobs/${JOB_ID}`));
  expect(new Set(seen.map((one) => one.key)).size).toBe(1);
  expect(seen[0]?.body).toEqual({
    name: "nightly",
    handler: "sleep",
    tasks: { items: [{ n: 1 }] },
    timeout_seconds: 900,
  });
});

test("an error in the items names its line and keeps the job from being sent", async () => {
  const { user } = open("/submit");
  await fill(user, '[\n  {"n": 1},\n  {"n": }\n]');
  expect(await screen.findByText(/^Line 3:/)).toBeVisible();
  expect(screen.getByRole("button", { name: "Submit" })).toBeDisabled();
});

test("a refused submission says what is wrong", async () => {
  server.use(
    route("post", "/jobs", () => problem(422, "A field breaks its rule", "handler: unknown", "Correct it.")),
  );
  const { user } = open("/submit");
  await fill(user, "[1]");
  await user.click(screen.getByRole("button", { name: "Submit" }));
  expect(await screen.findByRole("alert")).toHaveTextContent("handler: unknown");
});

test("a dry run shows total, tasks and bad lines, until the draft changes", async () => {
  server.use(
    route("post", "/plans", () =>
      HttpResponse.json({
        accepted: true,
        problem: null,
        total: 12345,
        total_is: "estimate",
        tasks: [{ index: 0, input: { n: 1 } }],
        bad_line_count: 1,
        bad_lines_all_read: true,
        bad_lines: [{ line: 7, rule: "is no JSON", seen: "{" }],
        requests: {},
        dollars: { region: "us-east-1", prices_as_of: "2026-11-20", by_use: {}, total: 0.012 },
        minutes: { control_plane: 1, tasks: null, total: 1 },
        limits: [],
      }),
    ),
  );
  const { user } = open("/submit");
  await fill(user, "[1]");
  await user.click(screen.getByRole("button", { name: "Dry run" }));
  expect(await screen.findByText(/about 12,345 tasks/)).toBeVisible();
  expect(screen.getByText(/line 7: is no JSON/)).toBeVisible();
  await user.type(screen.getByLabelText("Name"), "!");
  expect(screen.queryByText(/about 12,345 tasks/)).toBeNull();
});

test("the command is the same request, with the key in a variable", async () => {
  const { user } = open("/submit?handler=echo");
  await user.type(await screen.findByLabelText("Name"), "it's");
  const command = screen.getByLabelText("The same with curl").textContent ?? "";
  expect(command).toContain(`"name":"it'\\''s"`);
  expect(command).toContain("$API_KEY");
});

test("a file is uploaded, shown, and becomes the manifest", async () => {
  const seen = submits();
  const put: string[] = [];
  server.use(
    route("post", "/uploads", async (request) => {
      expect(await request.json()).toMatchObject({ filename: "tasks.jsonl", size_bytes: 16 });
      return HttpResponse.json(
        {
          key: "uploads/t/1/tasks.jsonl",
          method: "PUT",
          url: "http://bucket.local/put",
          headers: { "Content-Length": "16" },
          expires_in_seconds: 900,
        },
        { status: 201 },
      );
    }),
    http.put("http://bucket.local/put", async ({ request }) => {
      put.push(await request.text());
      return new HttpResponse(null, { status: 200, headers: { "access-control-allow-origin": "*" } });
    }),
  );
  const { user } = open("/submit");
  await fill(user);
  await user.click(screen.getByRole("tab", { name: "File" }));
  const file = new File(['{"n":1}\n{"n":2}\n'], "tasks.jsonl");
  await user.upload(await screen.findByLabelText("File of tasks"), file);
  expect(await screen.findByText(/^Uploaded as uploads\/t\/1\/tasks.jsonl/)).toBeVisible();
  expect(screen.getByLabelText("First lines")).toHaveTextContent('{"n":1} {"n":2}');
  await user.click(screen.getByRole("button", { name: "Submit" }));
  await waitFor(() => expect(seen).toHaveLength(1));
  expect(seen[0]?.body).toMatchObject({ tasks: { manifest: { key: "uploads/t/1/tasks.jsonl" } } });
  expect(put).toHaveLength(1);
});

test("a clone of tasks without input has their number", async () => {
  server.use(
    route("get", "/jobs/:job", () => HttpResponse.json(jobOf({ total: 4000 }))),
    route("get", "/jobs/:job/tasks", () =>
      HttpResponse.json({ tasks: [taskOf({ input: null })], next_cursor: "more" }),
    ),
  );
  open(`/submit?clone=${JOB_ID}`);
  expect(await screen.findByLabelText("Number of tasks")).toHaveValue("4000");
});

test("a clone of too many inputs says that they are missing", async () => {
  server.use(
    route("get", "/jobs/:job", () => HttpResponse.json(jobOf({ total: 4000 }))),
    route("get", "/jobs/:job/tasks", () => HttpResponse.json({ tasks: [taskOf()], next_cursor: "more" })),
  );
  open(`/submit?clone=${JOB_ID}`);
  expect(await screen.findByRole("alert")).toHaveTextContent("too many to copy");
});

test("a clone has the rules and inputs of its job", async () => {
  server.use(
    route("get", "/jobs/:job/tasks", () =>
      HttpResponse.json({
        tasks: [0, 1, 2].map((index) => taskOf({ index, input: { n: index } })),
        next_cursor: null,
      }),
    ),
  );
  open(`/submit?clone=${JOB_ID}`);
  expect(await screen.findByLabelText("Name")).toHaveValue("nightly");
  expect(screen.getByRole("textbox", { name: "Items" })).toHaveValue(
    '[\n  {"n":0},\n  {"n":1},\n  {"n":2}\n]',
  );
  expect(screen.getByLabelText("Tags")).toHaveValue("team:data");
});

describe("a handler that says what it takes", () => {
  const schema = {
    type: "object",
    description: "One nap.",
    properties: {
      seconds: { type: "number", minimum: 0, description: "How long." },
      jitter: { type: "number", default: 0.5 },
    },
    required: ["seconds"],
  };

  beforeEach(() => {
    server.use(
      route("get", "/workers", (request) => {
        const asked = new URL(request.url).searchParams.get("schemas") === "true";
        return HttpResponse.json({
          workers: [{ worker_id: "w-1", handlers: ["echo", "sleep"] }],
          next_cursor: null,
          schemas: asked ? { sleep: schema } : null,
        });
      }),
    );
  });

  test("shows its fields, and only its own", async () => {
    const { user } = open("/submit?handler=echo");
    await screen.findByLabelText("Handler");
    await waitFor(() => expect(screen.queryByText(/No live worker/)).toBeNull());
    expect(screen.queryByRole("heading", { name: /takes/ })).toBeNull();
    await user.clear(screen.getByLabelText("Handler"));
    await user.type(screen.getByLabelText("Handler"), "sleep");
    expect(await screen.findByRole("heading", { name: "What sleep takes" })).toBeVisible();
    expect(screen.getByText("One nap.")).toBeVisible();
    expect(screen.getByRole("row", { name: "seconds number ≥ 0 required How long." })).toBeVisible();
    expect(screen.getByRole("row", { name: "jitter number 0.5" })).toBeVisible();
  });

  test("names the lines that it would refuse, and keeps them from being sent", async () => {
    const seen = submits();
    const { user } = open("/submit");
    await fill(user, '[\n  {"seconds": 1},\n  {"seconds": -1}\n]');
    expect(await screen.findByText("Line 3: seconds must be 0 or more")).toBeVisible();
    const send = screen.getByRole("button", { name: "Submit" });
    expect(send).toBeDisabled();
    await user.click(screen.getByLabelText(/Submit them all the same/));
    await user.click(send);
    await waitFor(() => expect(seen).toHaveLength(1));
    expect(seen[0]?.body).toMatchObject({ tasks: { items: [{ seconds: 1 }, { seconds: -1 }] } });
  });

  test("takes what fits, and an example is inserted", async () => {
    const { user } = open("/submit");
    await fill(user);
    const items = () => screen.getByRole("textbox", { name: "Items" });
    await user.click(await screen.findByRole("button", { name: "Insert an example item" }));
    expect(items()).toHaveValue('[\n  {"seconds":1}\n]');
    await user.click(screen.getByRole("button", { name: "Insert an example item" }));
    expect(items()).toHaveValue('[\n  {"seconds":1},\n  {"seconds":1}\n]');
    expect(await screen.findByText("2 tasks, one an item, of the form that the handler takes")).toBeVisible();
    expect(screen.getByRole("button", { name: "Submit" })).toBeEnabled();
    fireEvent.change(items(), { target: { value: "[1, " } });
    expect(screen.getByRole("button", { name: "Insert an example item" })).toBeDisabled();
    await user.click(screen.getByRole("tab", { name: "Count" }));
    expect(screen.getByRole("button", { name: "Submit" })).toBeEnabled();
  });

  test("a handler of the name of an object's own parts is unknown as others are", async () => {
    open("/submit?handler=constructor");
    expect(await screen.findByText(/No live worker has this handler/)).toBeVisible();
    expect(screen.queryByRole("heading", { name: /takes/ })).toBeNull();
  });
});
