/** Chooses how often the page reads again, and says when it rests. */
import { useIsFetching, useQueryClient } from "@tanstack/react-query";
import { Select } from "@/ui/Field";
import { CHOICES, chooseSeconds, type Seconds, useRefresh } from "./refresh";

const OPTIONS = CHOICES.map((seconds) => [String(seconds), seconds ? `Every ${seconds} s` : "Off"] as const);

/** The refresh control of the header. */
export function RefreshControl() {
  const { seconds, paused } = useRefresh();
  const queries = useQueryClient();
  const fetching = useIsFetching() > 0;
  return (
    <div className="flex items-center gap-1">
      <button
        type="button"
        aria-label="Refresh now"
        title={paused && seconds ? `Paused: ${paused}` : "Refresh now"}
        onClick={() => void queries.invalidateQueries()}
        className="grid size-8 place-items-center rounded-md text-muted hover:bg-sunken hover:text-text"
      >
        <svg viewBox="0 0 16 16" aria-hidden="true" className={`size-4 ${fetching ? "animate-spin" : ""}`}>
          <path
            d={paused && seconds ? "M5.5 3v10M10.5 3v10" : "M13 8a5 5 0 1 1-1.5-3.6M13 2v3h-3"}
            fill="none"
            stroke="currentColor"
            strokeWidth="1.6"
            strokeLinecap="round"
          />
        </svg>
      </button>
      <Select
        label="Refresh"
        value={String(seconds)}
        options={OPTIONS}
        onChange={(value) => chooseSeconds(Number(value) as Seconds)}
      />
    </div>
  );
}
