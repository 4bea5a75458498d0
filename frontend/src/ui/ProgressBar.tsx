/** A job's progress in parts. */
import { count } from "./format";
import { type Counts, countOf, FILL, label, TASK_STATES, type TaskState, tone } from "./states";

const PARTS: readonly TaskState[] = ["SUCCEEDED", "FAILED", "CANCELLED", "SKIPPED", "RUNNING", "RETRYING"];

/** Shares of a bar; what is there at all gets a width that can be seen. */
function width(part: number, total: number): string {
  return part === 0 ? "0%" : `max(${(part / total) * 100}%, 2px)`;
}

/** What a screen reader says of the bar. */
export function inWords(counts: Counts): string {
  const parts = TASK_STATES.filter((state) => countOf(counts, state) > 0);
  return parts.map((state) => `${count(countOf(counts, state))} ${label(state).toLowerCase()}`).join(", ");
}

/** The bar; the empty rest of it is what waits. */
export function ProgressBar({
  counts,
  total,
  tall = false,
}: {
  counts: Counts;
  total: number;
  tall?: boolean;
}) {
  return (
    <div
      role="img"
      aria-label={inWords(counts) || "no tasks yet"}
      title={inWords(counts)}
      className={`flex w-full overflow-hidden rounded-sm bg-s-pending/60 ${tall ? "h-2.5" : "h-1.5"}`}
    >
      {PARTS.map((state) => (
        <div
          key={state}
          className={`h-full shrink-0 transition-[width] duration-300 ${FILL[tone(state)]}`}
          style={{ width: width(countOf(counts, state), Math.max(1, total)) }}
        />
      ))}
    </div>
  );
}
