/** The grid at several sizes: where cells are smaller than pixels, the one that matters most is shown. */
import { NONE } from "./cells";
import type { Layout } from "./layout";

export interface Level {
  codes: Uint8Array;
  columns: number;
  rows: number;
}

// By code: a failed task among 10,000 that succeeded must be seen.
const RANKS = [1, 5, 6, 2, 7, 4, 3];
const FIRST = 9;

/** Ranks of all codes; the states that a legend picks out come before all others. */
export function ranksOf(picked: ReadonlySet<number>): Uint8Array {
  const ranks = new Uint8Array(256);
  RANKS.forEach((rank, code) => {
    ranks[code] = picked.has(code) ? FIRST + rank : rank;
  });
  return ranks;
}

function halved(level: Level, ranks: Uint8Array): Level {
  const columns = Math.ceil(level.columns / 2);
  const rows = Math.ceil(level.rows / 2);
  const codes = new Uint8Array(columns * rows).fill(NONE);
  const from = level.codes;
  const rank = (code: number): number => ranks[code] ?? 0;
  for (let row = 0; row < level.rows; row += 1) {
    const source = row * level.columns;
    const target = (row >> 1) * columns;
    for (let column = 0; column < level.columns; column += 1) {
      const code = from[source + column] ?? NONE;
      const at = target + (column >> 1);
      const now = codes[at] ?? NONE;
      if (now === NONE || (code !== NONE && rank(code) > rank(now))) codes[at] = code;
    }
  }
  return { codes, columns, rows };
}

/** All levels, the whole first, each half as wide as the one before, down to about 256 columns. */
export function pyramidOf(cells: Uint8Array, layout: Layout, ranks: Uint8Array): Level[] {
  const codes = new Uint8Array(layout.columns * layout.rows).fill(NONE);
  codes.set(cells.subarray(0, layout.total));
  const levels: Level[] = [{ codes, columns: layout.columns, rows: layout.rows }];
  let last = levels[0];
  while (last && last.columns > 256) {
    last = halved(last, ranks);
    levels.push(last);
  }
  return levels;
}

/** The level whose cells are at least a pixel wide when a cell of the first has `scale` pixels. */
export function levelFor(scale: number, levels: number): number {
  const wanted = scale >= 1 ? 0 : Math.ceil(-Math.log2(scale));
  return Math.min(wanted, levels - 1);
}
