/** Where cells are: tasks fill rows from left to right, by index. */

export interface Layout {
  total: number;
  columns: number;
  rows: number;
}

/** What is in view: `scale` device pixels a cell, and the cell at the upper left corner. */
export interface View {
  scale: number;
  left: number;
  top: number;
}

export interface Size {
  width: number;
  height: number;
}

const LARGEST_CELL = 22;
export const LARGEST_SCALE = 40;

/** The fewest columns, so the largest cells, with which all tasks fit a canvas of this shape. */
export function layoutOf(total: number, { width, height }: Size): Layout {
  if (total === 0 || width === 0 || height === 0) return { total, columns: 1, rows: total };
  const least = Math.floor(Math.max(width / LARGEST_CELL, Math.sqrt((total * width) / height)));
  let columns = Math.max(1, least);
  while (Math.ceil(total / columns) * (width / columns) > height) columns += 1;
  return { total, columns, rows: Math.ceil(total / columns) };
}

/** Pixels of a cell when all of them are in view. */
export const fitScale = ({ columns, rows }: Layout, { width, height }: Size): number =>
  Math.min(LARGEST_CELL, width / columns, height / Math.max(1, rows));

/** The view that shows everything. */
export const wholeView = (layout: Layout, size: Size): View => ({
  scale: fitScale(layout, size),
  left: 0,
  top: 0,
});

const between = (value: number, least: number, most: number) => Math.max(least, Math.min(most, value));

/** The nearest view that shows no more empty space than it must. */
export function clampView(view: View, layout: Layout, size: Size): View {
  const least = fitScale(layout, size);
  const scale = between(view.scale, least, Math.max(least, LARGEST_SCALE));
  return {
    scale,
    left: between(view.left, 0, Math.max(0, layout.columns - size.width / scale)),
    top: between(view.top, 0, Math.max(0, layout.rows - size.height / scale)),
  };
}

/** Zoom by a factor about a point of the canvas, which stays over the same cell. */
export function zoomView(view: View, factor: number, x: number, y: number, layout: Layout, size: Size): View {
  const least = fitScale(layout, size);
  const scale = between(view.scale * factor, least, Math.max(least, LARGEST_SCALE));
  const column = view.left + x / view.scale;
  const row = view.top + y / view.scale;
  return clampView({ scale, left: column - x / scale, top: row - y / scale }, layout, size);
}

/** The least move of the view that brings a cell into it. */
export function reveal(view: View, index: number, layout: Layout, size: Size): View {
  const column = index % layout.columns;
  const row = Math.floor(index / layout.columns);
  const wide = size.width / view.scale;
  const high = size.height / view.scale;
  const left = between(view.left, column + 1 - wide, column);
  const top = between(view.top, row + 1 - high, row);
  return clampView({ scale: view.scale, left, top }, layout, size);
}

/** The index of the task under a point of the canvas, or null. */
export function cellAt(view: View, x: number, y: number, { total, columns }: Layout): number | null {
  const column = Math.floor(view.left + x / view.scale);
  const row = Math.floor(view.top + y / view.scale);
  if (column < 0 || column >= columns || row < 0) return null;
  const index = row * columns + column;
  return index < total ? index : null;
}
