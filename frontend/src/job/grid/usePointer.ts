/** Mouse and touch on the grid: hover, drag, pinch or Ctrl and wheel, click. */
import { type PointerEvent, useEffect, useRef } from "react";
import { cellAt } from "./layout";
import { type GridView, ratio } from "./useGridView";

const CLICK_WITHIN_PIXELS = 4;

interface Handlers {
  onHover: (index: number | null, x: number, y: number) => void;
  onOpen: (index: number) => void;
}

/** Props of the canvas. */
export function usePointer(grid: GridView, { onHover, onOpen }: Handlers) {
  const drag = useRef<{ x: number; y: number; moved: number } | null>(null);
  const { canvas, zoom } = grid;
  useEffect(() => {
    const element = canvas.current;
    if (!element) return;
    // Without Ctrl the wheel scrolls the page, as everywhere; a pinch comes as Ctrl and wheel.
    const onWheel = (event: WheelEvent) => {
      if (!event.ctrlKey && !event.metaKey) return;
      event.preventDefault();
      zoom(Math.exp(-event.deltaY / 200), event.offsetX * ratio(), event.offsetY * ratio());
    };
    element.addEventListener("wheel", onWheel, { passive: false });
    return () => element.removeEventListener("wheel", onWheel);
  }, [canvas, zoom]);

  const at = (event: PointerEvent) => {
    const { offsetX, offsetY } = event.nativeEvent;
    return cellAt(grid.view, offsetX * ratio(), offsetY * ratio(), grid.layout);
  };
  return {
    onPointerDown: (event: PointerEvent<HTMLCanvasElement>) => {
      event.currentTarget.setPointerCapture(event.pointerId);
      drag.current = { x: event.clientX, y: event.clientY, moved: 0 };
    },
    onPointerMove: (event: PointerEvent) => {
      const from = drag.current;
      if (!from) return onHover(at(event), event.nativeEvent.offsetX, event.nativeEvent.offsetY);
      const dx = event.clientX - from.x;
      const dy = event.clientY - from.y;
      drag.current = { x: event.clientX, y: event.clientY, moved: from.moved + Math.abs(dx) + Math.abs(dy) };
      if (!grid.zoomed) return;
      onHover(null, 0, 0);
      grid.move((view) => ({
        ...view,
        left: view.left - (dx * ratio()) / view.scale,
        top: view.top - (dy * ratio()) / view.scale,
      }));
    },
    onPointerUp: (event: PointerEvent) => {
      const moved = drag.current?.moved ?? 0;
      drag.current = null;
      const index = at(event);
      if (moved <= CLICK_WITHIN_PIXELS && index !== null) onOpen(index);
    },
    onPointerLeave: () => onHover(null, 0, 0),
  };
}
