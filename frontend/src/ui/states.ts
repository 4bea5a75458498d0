/** Names, order and colours of states. */
import type { Schemas } from "@/api/client";

export type JobState = Schemas["JobState"];
export type TaskState = Schemas["TaskState"];
export type Counts = Schemas["CountsOut"];

/** Every task state, in the order in which bars and legends show them. */
export const TASK_STATES = [
  "SUCCEEDED",
  "FAILED",
  "RUNNING",
  "RETRYING",
  "PENDING",
  "CANCELLED",
  "SKIPPED",
] as const satisfies readonly TaskState[];

export const JOB_STATES = [
  "CREATED",
  "ENQUEUING",
  "PROCESSING",
  "STOPPING",
  "SUCCEEDED",
  "FAILED",
  "CANCELLED",
] as const satisfies readonly JobState[];

/** The word that people read. */
export const label = (state: JobState | TaskState): string =>
  state === "PENDING" ? "Waiting" : state.charAt(0) + state.slice(1).toLowerCase();

/** The field of counts that counts a state. */
export const countOf = (counts: Counts, state: TaskState): number =>
  counts[state.toLowerCase() as keyof Counts];

const TERMINAL: ReadonlySet<string> = new Set(["SUCCEEDED", "FAILED", "CANCELLED"]);

/** Whether a job has ended; a retry begins it anew. */
export const isFinal = (state: JobState): boolean => TERMINAL.has(state);

type Tone = Lowercase<TaskState>;

/** The colour that a state is shown in. */
export function tone(state: JobState | TaskState): Tone {
  if (state === "CREATED" || state === "ENQUEUING") return "pending";
  if (state === "PROCESSING") return "running";
  if (state === "STOPPING") return "retrying";
  return state.toLowerCase() as Tone;
}

// Whole class names, since Tailwind finds them by reading this file.
export const FILL: Record<Tone, string> = {
  succeeded: "bg-s-succeeded",
  failed: "bg-s-failed",
  running: "bg-s-running",
  retrying: "bg-s-retrying",
  pending: "bg-s-pending",
  cancelled: "bg-s-cancelled",
  skipped: "bg-s-skipped",
};

export const INK: Record<Tone, string> = {
  succeeded: "text-t-succeeded",
  failed: "text-t-failed",
  running: "text-t-running",
  retrying: "text-t-retrying",
  pending: "text-t-pending",
  cancelled: "text-t-cancelled",
  skipped: "text-t-skipped",
};
