/** Every task of a job as a cell. */
import { useNavigate } from "@tanstack/react-router";
import { useEffect, useMemo, useState, useSyncExternalStore } from "react";
import { count } from "@/ui/format";
import { label } from "@/ui/states";
import { stateOf } from "./cells";
import { GridButtons } from "./GridButtons";
import { Painter } from "./painter";
import { readPalette } from "./palette";
import { pyramidOf, ranksOf } from "./pyramid";
import { useGridView } from "./useGridView";
import { useKeys } from "./useKeys";
import { usePointer } from "./usePointer";

interface Props {
  jobId: string;
  cells: Uint8Array;
  picked: ReadonlySet<number>;
}

function subscribeTheme(listener: () => void): () => void {
  window.addEventListener("themechange", listener);
  return () => window.removeEventListener("themechange", listener);
}
const themeNow = () => document.documentElement.dataset.theme ?? "light";

/** What is said of a cell. */
const said = (cells: Uint8Array, index: number): string =>
  `Task ${count(index)}: ${label(stateOf(cells[index] ?? 0)).toLowerCase()}`;

function Hover({ text, x, y }: { text: string; x: number; y: number }) {
  return (
    <div
      role="tooltip"
      className="tabular pointer-events-none absolute z-10 rounded bg-text px-2 py-1 text-xs whitespace-nowrap text-bg"
      style={{ left: x, top: y, transform: `translate(${x > 160 ? "-100%" : "0"}, calc(-100% - 8px))` }}
    >
      {text}
    </div>
  );
}

/** The grid; cells that are not `picked` fade, when any are. */
export function TaskGrid({ jobId, cells, picked }: Props) {
  const navigate = useNavigate();
  const grid = useGridView(cells.length);
  const theme = useSyncExternalStore(subscribeTheme, themeNow);
  const [hover, setHover] = useState<{ index: number; x: number; y: number } | null>(null);
  const open = (index: number) =>
    void navigate({ to: "/tasks/$taskId", params: { taskId: `${jobId}-${index}` } });
  const keys = useKeys(grid, open);
  const pointer = usePointer(grid, {
    onHover: (index, x, y) => setHover(index === null ? null : { index, x, y }),
    onOpen: open,
  });
  const { canvas, layout, size, view } = grid;
  // biome-ignore lint/correctness/useExhaustiveDependencies: the palette is read off the page, whose theme it is
  const painter = useMemo(
    () => new Painter(pyramidOf(cells, layout, ranksOf(picked)), readPalette(picked), layout),
    [cells, layout, picked, theme],
  );
  useEffect(() => {
    const frame = requestAnimationFrame(() => {
      const element = canvas.current;
      if (!element || size.width === 0) return;
      if (element.width !== size.width) element.width = size.width;
      if (element.height !== size.height) element.height = size.height;
      const style = getComputedStyle(document.documentElement);
      painter.draw(
        element,
        view,
        keys.cursor,
        style.getPropertyValue("--panel"),
        style.getPropertyValue("--text"),
      );
    });
    return () => cancelAnimationFrame(frame);
  }, [canvas, painter, size, view, keys.cursor]);
  return (
    <div className="relative">
      <canvas
        ref={canvas}
        tabIndex={0}
        role="application"
        aria-roledescription="grid of tasks"
        aria-label={`${count(cells.length)} tasks. Arrow keys move, Enter opens a task, plus and minus zoom.`}
        onKeyDown={keys.onKeyDown}
        onBlur={keys.onBlur}
        {...pointer}
        className={`block h-72 w-full touch-pan-y rounded-sm lg:h-80 ${grid.zoomed ? "cursor-grab" : "cursor-crosshair"}`}
      />
      <p aria-live="polite" className="sr-only">
        {keys.cursor !== null && said(cells, keys.cursor)}
      </p>
      {hover && <Hover text={said(cells, hover.index)} x={hover.x} y={hover.y} />}
      <GridButtons zoom={grid.zoom} whole={grid.whole} zoomed={grid.zoomed} />
    </div>
  );
}
