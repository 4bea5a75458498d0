/** A state: a mark in its colour and shape, and its word. */
import { FILL, INK, type JobState, label, type TaskState, tone } from "./states";

/** The mark and word of a state; live ones pulse. */
export function StateBadge({ state, className = "" }: { state: JobState | TaskState; className?: string }) {
  const kind = tone(state);
  const live = kind === "running";
  return (
    <span
      className={`inline-flex items-center gap-1.5 whitespace-nowrap text-[13px] font-medium ${INK[kind]} ${className}`}
    >
      <span
        aria-hidden="true"
        className={`size-2 ${kind === "failed" ? "rotate-45 rounded-[1px]" : "rounded-full"} ${FILL[kind]} ${live ? "animate-pulse" : ""}`}
      />
      {label(state)}
    </span>
  );
}
