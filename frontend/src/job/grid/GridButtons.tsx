/** Zooms the grid. */
interface Props {
  zoom: (factor: number) => void;
  whole: () => void;
  zoomed: boolean;
}

const LOOK =
  "grid size-7 place-items-center border-line text-sm text-muted hover:bg-sunken hover:text-text disabled:opacity-40";

/** In, out, and all of it, and how it goes without buttons. */
export function GridButtons({ zoom, whole, zoomed }: Props) {
  return (
    <div className="mt-2 flex items-center justify-between gap-3 text-xs text-muted">
      <span className="max-sm:hidden">
        A cell is a task: click opens it, Ctrl and the wheel zoom, drag moves
      </span>
      <fieldset className="ml-auto flex overflow-hidden rounded-md border border-line bg-panel">
        <legend className="sr-only">Zoom</legend>
        <button type="button" aria-label="Zoom in" className={LOOK} onClick={() => zoom(2)}>
          +
        </button>
        <button
          type="button"
          aria-label="Zoom out"
          disabled={!zoomed}
          className={`${LOOK} border-l`}
          onClick={() => zoom(0.5)}
        >
          −
        </button>
        <button
          type="button"
          aria-label="Show all"
          disabled={!zoomed}
          className={`${LOOK} border-l`}
          onClick={whole}
        >
          ⤢
        </button>
      </fieldset>
    </div>
  );
}
