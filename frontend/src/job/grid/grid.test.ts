import { decodeGrid } from "@/api/gridDecode";
import { gridBytes } from "@/test/values";
import { codeOf, NONE } from "./cells";
import { cellAt, clampView, fitScale, layoutOf, reveal, wholeView, zoomView } from "./layout";
import { levelFor, pyramidOf, ranksOf } from "./pyramid";
import { stepped } from "./useKeys";

const [waiting, running, retrying, succeeded, failed] = (
  ["PENDING", "RUNNING", "RETRYING", "SUCCEEDED", "FAILED"] as const
).map(codeOf);

test("a leaf of one state has no bits, one of more has as few as they need", () => {
  const leaves = { total: 252, leaves: [[0, 2]] };
  const grid = decodeGrid(gridBytes(leaves, [0b000100, 0b001100, 0b10]));
  expect([...grid.cells.subarray(0, 250)].every((code) => code === succeeded)).toBe(true);
  expect([...grid.cells.subarray(250)]).toEqual([succeeded, failed]);
});

test("three bits a task cross the bytes", () => {
  // Five states: codes 4, 3, 2, 1, 0 of three bits each, least significant first.
  const bits = 4 | (3 << 3) | (2 << 6) | (1 << 9);
  const grid = decodeGrid(gridBytes({ total: 5 }, [0b011111, bits & 255, bits >> 8]));
  expect([...grid.cells]).toEqual([codeOf("CANCELLED"), failed, succeeded, retrying, waiting]);
});

test("what runs is laid over what waits, and off again", () => {
  const first = decodeGrid(gridBytes({ running: [0, 1] }, [0b000101, 0b010]));
  expect([...first.cells]).toEqual([running, succeeded, waiting]);
  const next = decodeGrid(gridBytes({ leaves: [], running: [2], version: "v2" }, []), first);
  expect([...next.cells]).toEqual([waiting, succeeded, running]);
});

test("changes leave other leaves as they were", () => {
  const first = decodeGrid(gridBytes({ total: 252, leaves: [[0, 2]] }, [0b000100, 0b000001]));
  const next = decodeGrid(gridBytes({ total: 252, leaves: [[1, 1]] }, [0b001000]), first);
  expect([next.cells[0], next.cells[250], next.cells[251]]).toEqual([succeeded, failed, failed]);
});

const size = { width: 800, height: 300 };

test.each([1, 3, 757, 100_000, 1_000_000])("all of %d tasks fit the canvas", (total) => {
  const layout = layoutOf(total, size);
  const scale = fitScale(layout, size);
  expect(layout.columns * layout.rows).toBeGreaterThanOrEqual(total);
  expect(layout.columns * scale).toBeLessThanOrEqual(size.width + 1e-6);
  expect(layout.rows * scale).toBeLessThanOrEqual(size.height + 1e-6);
});

test("a zoom keeps the cell under the pointer", () => {
  const layout = layoutOf(100_000, size);
  const whole = wholeView(layout, size);
  const before = cellAt(whole, 401, 151, layout);
  const near = zoomView(whole, 6, 401, 151, layout, size);
  expect(cellAt(near, 401, 151, layout)).toBe(before);
  expect(zoomView(near, 1 / 100, 0, 0, layout, size)).toEqual(whole);
});

test("a view never leaves the grid", () => {
  const layout = layoutOf(100_000, size);
  const view = clampView({ scale: 10, left: 1e9, top: -5 }, layout, size);
  expect(view.left).toBeCloseTo(layout.columns - 80);
  expect(view.top).toBe(0);
});

test("a cell is brought into view, and one in view moves nothing", () => {
  const layout = layoutOf(100_000, size);
  const near = clampView({ scale: 20, left: 0, top: 0 }, layout, size);
  expect(reveal(near, 0, layout, size)).toEqual(near);
  const moved = reveal(near, 99_999, layout, size);
  expect(moved.top + size.height / 20).toBeGreaterThanOrEqual(Math.floor(99_999 / layout.columns));
});

test("beyond the last task there is no cell", () => {
  const layout = { total: 5, columns: 3, rows: 2 };
  const view = { scale: 10, left: 0, top: 0 };
  expect(cellAt(view, 15, 15, layout)).toBe(4);
  expect(cellAt(view, 25, 15, layout)).toBeNull();
  expect(cellAt(view, 31, 5, layout)).toBeNull();
});

test("one failure among a million is in every level", () => {
  const cells = new Uint8Array(1_000_000).fill(succeeded as number);
  cells[543_210] = failed as number;
  const levels = pyramidOf(cells, layoutOf(1_000_000, { width: 900, height: 400 }), ranksOf(new Set()));
  expect(levels.length).toBeGreaterThan(2);
  for (const level of levels) expect(level.codes.includes(failed as number)).toBe(true);
});

test("a state that is picked out comes before failures", () => {
  const cells = new Uint8Array(1000).fill(failed as number);
  cells[999] = waiting as number;
  const layout = { total: 1000, columns: 500, rows: 2 };
  const levels = pyramidOf(cells, layout, ranksOf(new Set([waiting as number])));
  expect(levels.at(-1)?.codes.includes(waiting as number)).toBe(true);
});

test("the rest of the last row is no task", () => {
  const [level] = pyramidOf(new Uint8Array(5), { total: 5, columns: 3, rows: 2 }, ranksOf(new Set()));
  expect(level?.codes[5]).toBe(NONE);
});

test("a level's cells are at least a pixel wide, if there is one", () => {
  expect(levelFor(3, 4)).toBe(0);
  expect(levelFor(0.6, 4)).toBe(1);
  expect(levelFor(0.2, 4)).toBe(3);
  expect(levelFor(0.01, 4)).toBe(3);
});

test("keys step through the grid and stop at its ends", () => {
  expect(stepped("ArrowDown", 4, 10, 100)).toBe(14);
  expect(stepped("ArrowUp", 4, 10, 100)).toBe(0);
  expect(stepped("End", 4, 10, 100)).toBe(99);
  expect(stepped("x", 4, 10, 100)).toBeNull();
});
