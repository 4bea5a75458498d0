/** The states of all tasks of a job, a byte each. */
import type { TaskState } from "@/ui/states";

/** Every state by its code. */
export const CODES = [
  "PENDING",
  "RUNNING",
  "RETRYING",
  "SUCCEEDED",
  "FAILED",
  "CANCELLED",
  "SKIPPED",
] as const satisfies readonly TaskState[];

/** The code of a state. */
export const codeOf = (state: TaskState): number => CODES.indexOf(state as (typeof CODES)[number]);

/** The state of a code. */
export const stateOf = (code: number): TaskState => CODES[code] ?? "PENDING";

/** No task here: the rest of the last row. */
export const NONE = 255;
