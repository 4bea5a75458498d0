/** The canvas and what of the grid it shows. */
import { type RefObject, useCallback, useEffect, useMemo, useRef, useState } from "react";
import { clampView, type Layout, layoutOf, type Size, type View, wholeView, zoomView } from "./layout";

/** Pixels of the device for a pixel of the page. */
export const ratio = (): number => window.devicePixelRatio || 1;

/** The size of the canvas in pixels of the device, followed. */
function useSize(canvas: RefObject<HTMLCanvasElement | null>): Size {
  const [size, setSize] = useState<Size>({ width: 0, height: 0 });
  useEffect(() => {
    const element = canvas.current;
    if (!element) return;
    const observer = new ResizeObserver(() => {
      const width = Math.round(element.clientWidth * ratio());
      const height = Math.round(element.clientHeight * ratio());
      setSize((old) => (old.width === width && old.height === height ? old : { width, height }));
    });
    observer.observe(element);
    return () => observer.disconnect();
  }, [canvas]);
  return size;
}

export interface GridView {
  canvas: RefObject<HTMLCanvasElement | null>;
  size: Size;
  layout: Layout;
  view: View;
  zoomed: boolean;
  move: (change: (view: View) => View) => void;
  zoom: (factor: number, x?: number, y?: number) => void;
  whole: () => void;
}

/** Layout and view of a grid of `total` tasks; the view starts anew when the layout changes. */
export function useGridView(total: number): GridView {
  const canvas = useRef<HTMLCanvasElement>(null);
  const size = useSize(canvas);
  const layout = useMemo(() => layoutOf(total, size), [total, size]);
  const [chosen, setChosen] = useState<{ layout: Layout; view: View } | null>(null);
  const whole = useMemo(() => wholeView(layout, size), [layout, size]);
  const view = chosen?.layout === layout ? chosen.view : whole;
  const move = useCallback(
    (change: (view: View) => View) =>
      setChosen((old) => ({
        layout,
        view: clampView(change(old?.layout === layout ? old.view : whole), layout, size),
      })),
    [layout, size, whole],
  );
  const zoom = useCallback(
    (factor: number, x = size.width / 2, y = size.height / 2) =>
      move((old) => zoomView(old, factor, x, y, layout, size)),
    [move, layout, size],
  );
  return {
    canvas,
    size,
    layout,
    view,
    zoomed: view.scale > whole.scale * 1.001,
    move,
    zoom,
    whole: () => setChosen(null),
  };
}
