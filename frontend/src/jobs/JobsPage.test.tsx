import { screen, waitFor, within } from "@testing-library/react";
import { HttpResponse, http } from "msw";
import { open } from "@/test/open";
import { problem, route, server } from "@/test/server";
import { JOB_ID, jobOf, runningJob } from "@/test/values";

/** Answer the list, and keep what was asked. */
function list(...jobs: ReturnType<typeof jobOf>[]) {
  const asked: URLSearchParams[] = [];
  server.use(
    route("get", "/jobs", (request) => {
      asked.push(new URL(request.url).searchParams);
      return HttpResponse.json({ jobs, next_cursor: "next" });
    }),
  );
  return asked;
}

test("a row says state, progress in parts, total and tags", async () => {
  list(jobOf());
  open("/jobs");
  const row = (await screen.findByRole("link", { name: "nightly" })).closest("tr") as HTMLElement;
  expect(within(row).getByText("Failed")).toBeVisible();
  expect(within(row).getByRole("img")).toHaveAccessibleName("2 succeeded, 1 failed");
  expect(within(row).getByText("1 failed")).toBeVisible();
  expect(within(row).getByText("team:data")).toHaveAttribute("href", "/jobs?tag=team%3Adata");
});

test("filters are in the address and in the request", async () => {
  const asked = list(jobOf());
  const { router, user } = open("/jobs");
  await user.selectOptions(await screen.findByRole("combobox", { name: "State" }), "FAILED");
  await user.type(screen.getByRole("searchbox", { name: "Name" }), "night");
  await waitFor(() => expect(router.state.location.search).toMatchObject({ state: "FAILED", name: "night" }));
  await waitFor(() => expect(asked.at(-1)?.get("name")).toBe("night"));
  expect(asked.at(-1)?.get("state")).toBe("FAILED");
});

test("an address with filters and a page asks for just that", async () => {
  const asked = list(jobOf());
  open("/jobs?tag=team:data&cursor=c1");
  await screen.findByRole("link", { name: "nightly" });
  expect(asked[0]?.getAll("tag")).toEqual(["team:data"]);
  expect(asked[0]?.get("cursor")).toBe("c1");
  expect(screen.getByRole("link", { name: "Newest" })).toBeVisible();
});

test("the next page is a link", async () => {
  list(jobOf());
  open("/jobs");
  expect(await screen.findByRole("link", { name: "Older" })).toHaveAttribute("href", "/jobs?cursor=next");
});

test("a list without jobs says how to get the first", async () => {
  server.use(route("get", "/jobs", () => HttpResponse.json({ jobs: [], next_cursor: null })));
  open("/jobs");
  expect(await screen.findByText("There are no jobs yet")).toBeVisible();
});

test("a list that matches nothing offers all jobs", async () => {
  server.use(route("get", "/jobs", () => HttpResponse.json({ jobs: [], next_cursor: null })));
  open("/jobs?name=nothing");
  expect(await screen.findByText("No job matches")).toBeVisible();
});

test("an error says what to do and can be tried again", async () => {
  let fails = true;
  server.use(
    route("get", "/jobs", () =>
      fails
        ? problem(422, "A field breaks its rule", "name is too long", "Correct it.")
        : HttpResponse.json({ jobs: [jobOf()], next_cursor: null }),
    ),
  );
  const { user } = open("/jobs");
  expect(await screen.findByText(/name is too long Correct it./)).toBeVisible();
  fails = false;
  await user.click(screen.getByRole("button", { name: "Try again" }));
  expect(await screen.findByRole("link", { name: "nightly" })).toBeVisible();
});

test("without an answer the page says that it is offline", async () => {
  server.use(http.get("*/api/v1/jobs", () => HttpResponse.error()));
  open("/jobs");
  expect(await screen.findByText(/What is shown may be old; it is asked again/)).toBeVisible();
});

test("a key that is revoked leads to the sign-in", async () => {
  server.use(
    http.get("*/api/v1/jobs", () => HttpResponse.json({ message: "Unauthorized" }, { status: 401 })),
  );
  open("/jobs");
  expect(await screen.findByLabelText("API key")).toBeVisible();
  expect(sessionStorage.length).toBe(0);
});

test("a running job is cancelled after a question", async () => {
  const cancelled: string[] = [];
  list(runningJob());
  server.use(
    route("post", "/jobs/:job/cancel", (_, { job }) => {
      cancelled.push(job as string);
      return HttpResponse.json(runningJob({ state: "STOPPING" }), { status: 202 });
    }),
  );
  const { user } = open("/jobs");
  await user.click(await screen.findByRole("button", { name: "Cancel" }));
  expect(cancelled).toEqual([]);
  await user.click(screen.getByRole("button", { name: "Cancel the job" }));
  await waitFor(() => expect(cancelled).toHaveLength(1));
  await waitFor(() => expect(screen.queryByRole("dialog")).toBeNull());
});

test("what failed of a job is retried from the list", async () => {
  const retried: unknown[] = [];
  list(jobOf());
  server.use(
    route("post", "/jobs/:job/retry", async (request, { job }) => {
      retried.push([job, await request.json()]);
      return HttpResponse.json(runningJob({ gen: 2 }), { status: 202 });
    }),
  );
  const { user } = open("/jobs");
  await user.click(await screen.findByRole("button", { name: "Retry failed" }));
  expect(screen.getByRole("heading", { name: "Retry 1 failed tasks?" })).toBeVisible();
  await user.click(screen.getByRole("button", { name: "Retry" }));
  await waitFor(() => expect(retried).toEqual([[JOB_ID, { tasks: "failed" }]]));
});
