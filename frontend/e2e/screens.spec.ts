/** Pictures of every page for the documents: `make screenshots`. */
import { aRealJob, pagesOf } from "./pages";
import { expect, key, test } from "./site";

const INTO = "../docs/img";

test.skip(!process.env.SCREENSHOTS, "only for make screenshots");

test("every page, light and dark, wide and narrow", async ({ page, api }) => {
  test.setTimeout(600_000);
  const { jobId, failed } = await aRealJob(api);
  await api.submit({
    name: "train forecasts",
    handler: "sleep",
    tasks: { items: Array.from({ length: 60 }, () => ({ seconds: 20 })) },
    tags: { team: "ml" },
  });
  for (const theme of ["light", "dark"] as const) {
    for (const [size, width, height] of [
      ["wide", 1360, 850],
      ["narrow", 390, 844],
    ] as const) {
      await page.emulateMedia({ colorScheme: theme, reducedMotion: "reduce" });
      await page.setViewportSize({ width, height });
      await page.goto("/sign-in");
      await page.evaluate(() => sessionStorage.clear());
      await page.goto("/sign-in");
      await expect(page.getByLabel("API key")).toBeVisible();
      await page.screenshot({ path: `${INTO}/site-sign-in-${theme}-${size}.png` });
      await page.evaluate((value) => sessionStorage.setItem("api-key", value), key);
      for (const [name, address] of pagesOf(jobId, failed)) {
        await page.goto(address);
        await expect(page.getByRole("heading").first()).toBeVisible();
        await expect(page.getByRole("status", { name: "Loading" })).toHaveCount(0);
        // Plots are drawn a frame after their data.
        await page.waitForTimeout(400);
        await page.screenshot({ path: `${INTO}/site-${name}-${theme}-${size}.png` });
      }
    }
  }
});
