/** What a person does, from the key to the results, on a deployed stack with real workers. */
import { expect, key, test } from "./site";

test("a wrong key says so, a right one opens the page that was asked for, signing out closes it", async ({
  page,
}) => {
  await page.goto("/workers");
  await page.getByLabel("API key").fill("djo_wrong");
  await page.getByRole("button", { name: "Sign in" }).click();
  await expect(page.getByRole("alert")).toContainText("This key is not accepted");
  await page.getByLabel("API key").fill(key);
  await page.getByRole("button", { name: "Sign in" }).click();
  await expect(page.getByRole("heading", { name: "Workers" })).toBeVisible();
  expect(page.url()).not.toContain(key);
  await page.getByRole("button", { name: "Sign out" }).click();
  await expect(page.getByLabel("API key")).toBeVisible();
});

test("a job is submitted by form, watched to its end, and its results are downloaded", async ({
  signedIn: page,
}) => {
  await page.goto("/submit?handler=sleep");
  // Its workers have told what it takes.
  await expect(page.getByRole("heading", { name: "What sleep takes" })).toBeVisible({ timeout: 60_000 });
  await page.getByLabel("Name").fill("by form");
  await page
    .getByRole("textbox", { name: "Items" })
    .fill('{"seconds": 0.5}\n{"seconds": 0.2}\n{"seconds": 0.1}');
  await page.getByRole("button", { name: "Dry run" }).click();
  await expect(page.getByText("3 tasks", { exact: true })).toBeVisible();
  await page.getByRole("button", { name: "Submit" }).dblclick();
  await expect(page.getByRole("heading", { name: "by form" })).toBeVisible();
  await expect(page.getByRole("link", { name: "Succeeded 3" })).toBeVisible({ timeout: 60_000 });
  await page.getByRole("tab", { name: "results" }).click();
  const [download] = await Promise.all([
    page.context().waitForEvent("page"),
    page.getByRole("link", { name: "Download JSONL" }).click(),
  ]);
  const lines = await page.request.get(
    (await page.getByRole("link", { name: "Download JSONL" }).getAttribute("href")) ?? "",
  );
  expect((await lines.text()).trim().split("\n")).toHaveLength(3);
  await download.close();
  await page.goto("/jobs?name=by%20form");
  await expect(page.getByRole("link", { name: "by form" })).toHaveCount(1);
});

test("a file is uploaded, validated, and becomes a job", async ({ signedIn: page }) => {
  await page.goto("/submit?handler=echo");
  await page.getByLabel("Name").fill("by file");
  await page.getByRole("tab", { name: "File" }).click();
  const lines = Array.from({ length: 40 }, (_, n) => JSON.stringify({ n })).join("\n");
  await page.getByLabel("File of tasks").setInputFiles({
    name: "tasks.jsonl",
    mimeType: "application/jsonl",
    buffer: Buffer.from(`${lines}\nno json\n`),
  });
  await expect(page.getByText(/^Uploaded as /)).toBeVisible();
  await page.getByRole("button", { name: "Dry run" }).click();
  await expect(page.getByText(/line 41:/)).toBeVisible();
  await page.getByLabel("Skip bad lines").check();
  await page.getByRole("button", { name: "Submit" }).click();
  await expect(page.getByRole("link", { name: "Succeeded 40" })).toBeVisible({ timeout: 60_000 });
});

test("what failed is found, opened, and retried alone", async ({ signedIn: page, api }) => {
  const jobId = await api.submit({ name: "odd ones", handler: "e2e.odd", tasks: { count: 6 } });
  await api.finish(jobId);
  await page.goto(`/jobs/${jobId}`);
  const group = page.getByRole("listitem").filter({ hasText: "Odd" });
  await expect(group).toContainText("odd tasks fail at first");
  await group.getByRole("link", { name: "task 1", exact: true }).click();
  await expect(page.getByRole("heading", { name: "Task 1" })).toBeVisible();
  await expect(page.getByText("Odd: odd tasks fail at first").first()).toBeVisible();
  await page.getByRole("button", { name: "Retry this task" }).click();
  await page.getByRole("button", { name: "Retry", exact: true }).click();
  await expect(page.getByText("Succeeded").first()).toBeVisible({ timeout: 60_000 });
  await api.finish(jobId);
  await page.goto(`/jobs/${jobId}`);
  await expect(page.getByRole("link", { name: "Failed 2" })).toBeVisible();
  await page.getByRole("button", { name: "Retry Odd" }).click();
  await page.getByRole("button", { name: "Retry", exact: true }).click();
  await expect(page.getByRole("link", { name: "Succeeded 6" })).toBeVisible({ timeout: 60_000 });
  await page.getByRole("tab", { name: "timeline" }).click();
  await expect(page.getByText("retried").first()).toBeVisible();
  await page.getByRole("tab", { name: "audit" }).click();
  await expect(page.getByText(/^Clean/)).toBeVisible();
});

test("a job is cancelled while it runs, and what ran is told to stop", async ({ signedIn: page, api }) => {
  const jobId = await api.submit({ name: "to cancel", handler: "e2e.until_cancelled", tasks: { count: 4 } });
  await page.goto(`/jobs/${jobId}`);
  await page.getByRole("button", { name: "Cancel", exact: true }).click();
  await page.getByRole("button", { name: "Cancel the job" }).click();
  await expect(page.getByText("Cancelled").first()).toBeVisible({ timeout: 90_000 });
  expect((await api.finish(jobId)).state).toBe("CANCELLED");
});

test("without the server what was read stays, and comes back by itself", async ({
  signedIn: page,
  context,
}) => {
  await page.goto("/jobs");
  await expect(page.getByRole("link", { name: "by form" })).toBeVisible();
  await context.setOffline(true);
  await expect(page.getByText(/What is shown may be old/)).toBeVisible();
  await expect(page.getByRole("link", { name: "by form" })).toBeVisible();
  await context.setOffline(false);
  await expect(page.getByText(/What is shown may be old/)).toBeHidden();
});

test("an address that is no job, task or page says so", async ({ signedIn: page }) => {
  await page.goto("/jobs/01M88ZYGW897WK6QMN9PJCHF8Y");
  await expect(page.getByText("There is no such thing here")).toBeVisible();
  await page.goto("/tasks/01M88ZYGW897WK6QMN9PJCHF8Y-3");
  await expect(page.getByText("There is no such thing here")).toBeVisible();
  await page.goto("/nowhere/at/all");
  await expect(page.getByText("There is no such page")).toBeVisible();
});

test("the grid is used by keyboard and by mouse", async ({ signedIn: page, api }) => {
  const jobId = await api.submit({ name: "by key", handler: "echo", tasks: { count: 300 } });
  await api.finish(jobId);
  await page.goto(`/jobs/${jobId}`);
  const grid = page.getByRole("application");
  await grid.focus();
  await page.keyboard.press("ArrowRight");
  await page.keyboard.press("ArrowRight");
  await expect(page.getByText("Task 1: succeeded")).toBeAttached();
  await page.keyboard.press("Enter");
  await expect(page).toHaveURL(new RegExp(`/tasks/${jobId}-1$`));
  await page.goBack();
  await grid.click({ position: { x: 4, y: 4 } });
  await expect(page).toHaveURL(new RegExp(`/tasks/${jobId}-0$`));
});
