import { screen, waitFor } from "@testing-library/react";
import { HttpResponse } from "msw";
import { open } from "@/test/open";
import { route, server } from "@/test/server";
import { JOB_ID, taskOf } from "@/test/values";

const address = `/jobs/${JOB_ID}?tab=tasks&state=FAILED&error=ValueError`;

/** Answer with pages of tasks, each page named by its number; return what was asked. */
function pages(tasksOf: (page: number) => ReturnType<typeof taskOf>[], last: number) {
  const asked: Record<string, string>[] = [];
  server.use(
    route("get", "/jobs/:job/tasks", (request) => {
      const query = Object.fromEntries(new URL(request.url).searchParams);
      asked.push(query);
      const page = Number(query.cursor ?? 0);
      return HttpResponse.json({
        tasks: tasksOf(page),
        next_cursor: page < last ? String(page + 1) : null,
      });
    }),
  );
  return asked;
}

test("the API is asked for one type of error, until the filter is removed", async () => {
  const asked = pages(() => [taskOf()], 0);
  const { router, user } = open(address);
  expect(await screen.findByText("1 tasks")).toBeVisible();
  expect(asked).toEqual([{ state: "FAILED", error_type: "ValueError", limit: "100" }]);
  await user.click(screen.getByRole("button", { name: "Remove the error filter" }));
  await waitFor(() => expect(asked.at(-1)).toEqual({ state: "FAILED", limit: "100" }));
  expect(router.state.location.search).toEqual({ tab: "tasks", state: "FAILED" });
});

test("pages without a match are passed over", async () => {
  const asked = pages((page) => (page === 3 ? [taskOf()] : []), 4);
  open(address);
  expect(await screen.findByText("1 tasks")).toBeVisible();
  expect(asked.map((query) => query.cursor)).toEqual([undefined, "1", "2", "3", "4"]);
});

test("after ten pages without a match a person is asked whether to go on", async () => {
  const asked = pages((page) => (page === 12 ? [taskOf()] : []), 12);
  const { user } = open(address);
  await user.click(await screen.findByRole("button", { name: /look further/ }));
  expect(asked.length).toBeGreaterThanOrEqual(10);
  expect(await screen.findByText("1 tasks")).toBeVisible();
  expect(asked).toHaveLength(13);
  expect(screen.queryByRole("button", { name: /look further/ })).toBeNull();
});

test("a list in which nothing matches says so", async () => {
  pages(() => [], 2);
  open(address);
  expect(await screen.findByText("No task matches")).toBeVisible();
});
