/** Nobody is kept out: axe looks at every page, light and dark. */
import AxeBuilder from "@axe-core/playwright";
import type { Page } from "@playwright/test";
import { aRealJob, pagesOf } from "./pages";
import { expect, test } from "./site";

async function violations(page: Page): Promise<string[]> {
  const found = await new AxeBuilder({ page }).analyze();
  return found.violations.flatMap((violation) =>
    violation.nodes.map((node) => `${violation.id}: ${node.target} ${node.failureSummary ?? ""}`),
  );
}

test("axe finds nothing on any page, in either theme", async ({ signedIn: page, api }) => {
  test.setTimeout(300_000);
  const { jobId, failed } = await aRealJob(api);
  const all: string[] = [];
  for (const theme of ["light", "dark"] as const) {
    await page.emulateMedia({ colorScheme: theme, reducedMotion: "reduce" });
    for (const [name, address] of pagesOf(jobId, failed)) {
      await page.goto(address);
      await expect(page.getByRole("heading").first()).toBeVisible();
      await expect(page.getByRole("status", { name: "Loading" })).toHaveCount(0);
      all.push(...(await violations(page)).map((violation) => `${name}, ${theme}: ${violation}`));
    }
  }
  expect(all).toEqual([]);
});

test("axe finds nothing where a handler says what it takes and refuses an item", async ({
  signedIn: page,
}) => {
  await page.goto("/submit?handler=sleep");
  await expect(page.getByRole("heading", { name: "What sleep takes" })).toBeVisible({ timeout: 60_000 });
  await page.getByRole("textbox", { name: "Items" }).fill('[{"seconds": -1}]');
  await expect(page.getByText("Line 1: seconds must be 0 or more")).toBeVisible();
  await expect(page.getByRole("button", { name: "Submit" })).toBeDisabled();
  for (const theme of ["light", "dark"] as const) {
    await page.emulateMedia({ colorScheme: theme, reducedMotion: "reduce" });
    expect(await violations(page)).toEqual([]);
  }
});

test("axe finds nothing on the sign-in page and in a question", async ({ page, api }) => {
  await page.goto("/sign-in");
  await expect(page.getByLabel("API key")).toBeVisible();
  expect(await violations(page)).toEqual([]);
  const jobId = await api.submit({ name: "question", handler: "e2e.until_cancelled", tasks: { count: 1 } });
  await page.getByLabel("API key").fill(process.env.API_KEY ?? "");
  await page.getByRole("button", { name: "Sign in" }).click();
  await expect(page.getByRole("heading", { name: "Jobs" })).toBeVisible();
  await page.goto(`/jobs/${jobId}`);
  await page.getByRole("button", { name: "Cancel", exact: true }).click();
  await expect(page.getByRole("dialog")).toBeVisible();
  expect(await violations(page)).toEqual([]);
  await page.getByRole("button", { name: "Cancel the job" }).click();
});

test("no page is wider than a narrow screen", async ({ signedIn: page, api }) => {
  const { jobId, failed } = await aRealJob(api);
  await page.setViewportSize({ width: 360, height: 740 });
  for (const [name, address] of pagesOf(jobId, failed)) {
    await page.goto(address);
    await expect(page.getByRole("heading").first()).toBeVisible();
    await expect(page.getByRole("status", { name: "Loading" })).toHaveCount(0);
    const wide = await page.evaluate(() => document.documentElement.scrollWidth);
    expect(wide, name).toBeLessThanOrEqual(360);
  }
});
