/** The grid's wire format: a JSON header, then a block for each leaf of 250 tasks. */
import { CODES, codeOf } from "@/job/grid/cells";
import type { Counts } from "@/ui/states";

export interface GridHeader {
  gen: number;
  total: number | null;
  leaf_size: number;
  version: string;
  complete: boolean;
  leaves: [first: number, count: number][];
  running: number[];
  running_total: number;
  counts: Counts;
}

export interface Grid extends GridHeader {
  /** The code of every task, those that run included. */
  cells: Uint8Array;
  /** As `cells`, but without what runs: the base of the next answer. */
  stored: Uint8Array;
}

const BITS_OF_STATES = [0, 0, 1, 2, 2, 3, 3];
// By bit of a leaf's mask.
const STORED = (["PENDING", "RETRYING", "SUCCEEDED", "FAILED", "CANCELLED", "SKIPPED"] as const).map(codeOf);
const RUNNING = CODES.indexOf("RUNNING");

function statesOf(mask: number): number[] {
  return STORED.filter((_, bit) => (mask >> bit) & 1);
}

/** Read one leaf's block at `at` into `cells`; return where the next block begins. */
function readLeaf(data: Uint8Array, at: number, cells: Uint8Array): number {
  const states = statesOf(data[at] ?? 0);
  const bits = BITS_OF_STATES[states.length] ?? 0;
  const from = at + 1;
  if (bits === 0) cells.fill(states[0] ?? 0);
  else
    for (let task = 0; task < cells.length; task += 1) {
      let code = 0;
      for (let bit = 0; bit < bits; bit += 1) {
        const place = task * bits + bit;
        code |= (((data[from + (place >> 3)] ?? 0) >> (place & 7)) & 1) << bit;
      }
      cells[task] = states[code] ?? 0;
    }
  return from + Math.ceil((cells.length * bits) / 8);
}

function withRunning(stored: Uint8Array, running: readonly number[]): Uint8Array {
  const cells = stored.slice();
  const mayRun = new Set([codeOf("PENDING"), codeOf("RETRYING")]);
  for (const index of running) if (mayRun.has(cells[index] ?? -1)) cells[index] = RUNNING;
  return cells;
}

/** Apply an answer to what is known; a grid of another size begins anew. */
export function decodeGrid(buffer: ArrayBuffer, before?: Grid): Grid {
  const length = new DataView(buffer).getUint32(0, true);
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length))) as GridHeader;
  const total = header.total ?? 0;
  const stored = before?.stored.length === total ? before.stored.slice() : new Uint8Array(total);
  const data = new Uint8Array(buffer, 4 + length);
  let at = 0;
  for (const [first, leaves] of header.leaves) {
    for (let leaf = first; leaf < first + leaves; leaf += 1) {
      const start = leaf * header.leaf_size;
      at = readLeaf(data, at, stored.subarray(start, Math.min(start + header.leaf_size, total)));
    }
  }
  return { ...header, stored, cells: withRunning(stored, header.running) };
}
