/** The keyboard on the grid: arrows move a cursor, plus and minus zoom, Enter opens the task. */
import { type KeyboardEvent, useState } from "react";
import { reveal } from "./layout";
import type { GridView } from "./useGridView";

/** The index that a key leads to, or null when it is no key of the grid. */
export function stepped(key: string, from: number, columns: number, total: number): number | null {
  const steps: Record<string, number> = {
    ArrowRight: 1,
    ArrowLeft: -1,
    ArrowDown: columns,
    ArrowUp: -columns,
    PageDown: columns * 10,
    PageUp: -columns * 10,
    Home: -total,
    End: total,
  };
  const step = steps[key];
  return step === undefined ? null : Math.max(0, Math.min(total - 1, from + step));
}

/** The cursor, and the handler of keys. */
export function useKeys(grid: GridView, onOpen: (index: number) => void) {
  const [cursor, setCursor] = useState<number | null>(null);
  const { total, columns } = grid.layout;
  const onKeyDown = (event: KeyboardEvent) => {
    const next = stepped(event.key, cursor ?? -1, columns, total);
    if (next !== null) {
      setCursor(next);
      grid.move((view) => reveal(view, next, grid.layout, grid.size));
    } else if (event.key === "Enter" && cursor !== null) onOpen(cursor);
    else if (event.key === "+" || event.key === "=") grid.zoom(1.5);
    else if (event.key === "-") grid.zoom(1 / 1.5);
    else if (event.key === "0") grid.whole();
    else return;
    event.preventDefault();
  };
  return { cursor, onKeyDown, onBlur: () => setCursor(null) };
}
