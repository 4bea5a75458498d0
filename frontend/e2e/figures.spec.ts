/** Figures of large jobs: printed, since a machine's speed is nobody's to assert; what is counted is asserted. */
import type { CDPSession, Page } from "@playwright/test";
import { gridOf } from "./bigGrid";
import { expect, key, test } from "./site";

const TASKS = Number(process.env.SITE_TASKS ?? 100_000);
const MILLION = 1_000_000;

function print(figures: Record<string, number | string>): void {
  console.log(
    Object.entries(figures)
      .map(([name, value]) => `  ${name.padEnd(44)}${value}`)
      .join("\n"),
  );
}

/** Bytes that came over the wire from now on. */
async function watchTransfer(page: Page): Promise<{ session: CDPSession; bytes: () => number }> {
  const session = await page.context().newCDPSession(page);
  let bytes = 0;
  await session.send("Network.enable");
  session.on("Network.loadingFinished", (event) => {
    bytes += event.encodedDataLength;
  });
  return { session, bytes: () => bytes };
}

async function heapBytes(session: CDPSession): Promise<number> {
  await session.send("HeapProfiler.enable");
  await session.send("HeapProfiler.collectGarbage");
  return (await session.send("Runtime.getHeapUsage")).usedSize;
}

test(`the page of a job of ${TASKS} tasks`, async ({ page, api }) => {
  test.setTimeout(1_800_000);
  const jobId = await api.submit({
    name: "a large one",
    handler: "site.resize",
    tasks: { count: TASKS },
    retry: { max_attempts: 1 },
  });
  const job = await api.finish(jobId, 1_700_000);
  expect((job.counts.succeeded ?? 0) + (job.counts.failed ?? 0)).toBe(TASKS);
  await page.addInitScript((value) => {
    sessionStorage.setItem("api-key", value);
    localStorage.setItem("refresh-seconds", "0");
  }, key);
  const { session, bytes } = await watchTransfer(page);
  await session.send("Network.setCacheDisabled", { cacheDisabled: true });
  await page.goto(`/jobs/${jobId}`);
  await expect(page.getByRole("application")).toHaveAccessibleName(/^[\d,]+ tasks/);
  await expect(page.getByRole("listitem").filter({ hasText: "CorruptImage" })).toBeVisible();
  await page.waitForLoadState("networkidle");
  const paints = await page.evaluate(() =>
    performance.getEntriesByName("first-contentful-paint").map((entry) => entry.startTime),
  );
  const heap = await heapBytes(session);
  print({
    tasks: TASKS,
    "first contentful paint, ms": Math.round(paints[0] ?? Number.NaN),
    "JS heap, MB": (heap / 1e6).toFixed(1),
    "transfer with nothing cached, KB": Math.round(bytes() / 1000),
  });
  expect(heap).toBeLessThan(50e6);
  expect(bytes()).toBeLessThan(300_000);
});

test("the first page of somebody new", async ({ page }) => {
  await page.addInitScript(() => localStorage.setItem("refresh-seconds", "0"));
  const { bytes } = await watchTransfer(page);
  await page.goto("/jobs");
  await expect(page.getByLabel("API key")).toBeVisible();
  await page.waitForLoadState("networkidle");
  print({ "first page, transfer with fonts, KB": Math.round(bytes() / 1000) });
  expect(bytes()).toBeLessThan(300_000);
});

test("a grid of 1,000,000 tasks is panned and zoomed", async ({ signedIn: page, api }) => {
  const jobId = await api.submit({ name: "a million", handler: "echo", tasks: { count: 10 } });
  await api.finish(jobId);
  const answer = gridOf(MILLION);
  expect(answer.length).toBeLessThanOrEqual(300_000);
  await page.route(/\/grid/, (route) =>
    route.fulfill({ body: answer, contentType: "application/octet-stream" }),
  );
  await page.goto(`/jobs/${jobId}`);
  const grid = page.getByRole("application");
  await expect(grid).toHaveAccessibleName(/^1,000,000 tasks/);
  const session = await page.context().newCDPSession(page);
  await page.evaluate(() => {
    const frames: number[] = [];
    let last = performance.now();
    const tick = (now: number) => {
      frames.push(now - last);
      last = now;
      requestAnimationFrame(tick);
    };
    requestAnimationFrame(tick);
    Object.assign(window, { frames });
  });
  const box = await grid.boundingBox();
  if (!box) throw new Error("the grid has no place");
  await page.mouse.move(box.x + box.width / 2, box.y + box.height / 2);
  await page.keyboard.down("Control");
  for (let step = 0; step < 25; step += 1) await page.mouse.wheel(0, -40);
  await page.keyboard.up("Control");
  await page.mouse.down();
  for (let step = 0; step < 40; step += 1)
    await page.mouse.move(box.x + 100 + step * 8, box.y + 40 + step * 3);
  await page.mouse.up();
  await page.keyboard.down("Control");
  for (let step = 0; step < 25; step += 1) await page.mouse.wheel(0, 40);
  await page.keyboard.up("Control");
  const frames = await page.evaluate(() => (window as unknown as { frames: number[] }).frames.slice(2));
  frames.sort((a, b) => a - b);
  print({
    cells: MILLION,
    "grid answer, KB": Math.round(answer.length / 1000),
    frames: frames.length,
    "median frame, ms": (frames[frames.length >> 1] ?? 0).toFixed(1),
    "longest frame, ms": (frames.at(-1) ?? 0).toFixed(1),
    "frames above 50 ms": frames.filter((frame) => frame > 50).length,
    "JS heap, MB": ((await heapBytes(session)) / 1e6).toFixed(1),
  });
  expect(frames.length).toBeGreaterThan(20);
});
