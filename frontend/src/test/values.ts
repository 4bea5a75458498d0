/** Values as the API answers them. */
import type { Job } from "@/api/jobs";
import type { Task } from "@/api/tasks";

export const KEY = "djo_01M8TEST_secret";
export const JOB_ID = "01M88ZYGW897WK6QMN9PJCHF8Y";

/** A job of three tasks, one of which failed. */
export function jobOf(fields: Partial<Job> = {}): Job {
  return {
    job_id: JOB_ID,
    name: "nightly",
    handler: "sleep",
    state: "FAILED",
    state_reason: "1 of 3 tasks failed, more than are tolerated",
    stop: null,
    gen: 1,
    total: 3,
    counts: { pending: 0, running: 0, retrying: 0, succeeded: 2, failed: 1, cancelled: 0, skipped: 0 },
    progress: 1,
    created_at: "2026-11-25T09:17:51.585Z",
    created_by: "01M88ZX9JBDBDE7QJKZ477AHKH",
    started_at: "2026-11-25T09:18:01.484Z",
    finished_at: "2026-11-25T09:18:04.898Z",
    deadline_at: null,
    priority: 5,
    tags: { team: "data" },
    policy: {
      retry: {
        max_attempts: 3,
        max_timeouts: 2,
        max_worker_losses: 3,
        initial_seconds: 2,
        factor: 2,
        max_seconds: 300,
        rules: [],
      },
      timeout_seconds: 900,
      deadline_seconds: null,
      tolerated_failures: { count: null, percent: null, when_exceeded: "finish" },
      tasks_per_message: null,
      max_running: null,
    },
    links: {},
    ...fields,
  } as Job;
}

/** The same job while it runs. */
export const runningJob = (fields: Partial<Job> = {}): Job =>
  jobOf({ state: "PROCESSING", state_reason: null, finished_at: null, progress: 0.5, ...fields });

/** A task that failed once. */
export function taskOf(fields: Partial<Task> = {}): Task {
  const error = {
    type: "ValueError",
    message: "row 7 is bad",
    traceback: "Traceback: line 1",
    retryable: true,
    exit_code: null,
  };
  return {
    task_id: `${JOB_ID}-2`,
    job_id: JOB_ID,
    index: 2,
    state: "FAILED",
    attempt: 1,
    attempts: [
      {
        attempt: 1,
        outcome: "failed",
        worker: "w-1",
        started_at: "2026-11-25T09:17:59.972Z",
        ended_at: "2026-11-25T09:18:00.872Z",
        duration_ms: 900,
        error,
      },
    ],
    input: { seconds: -1 },
    result: null,
    result_url: null,
    error,
    worker: "w-1",
    progress: null,
    started_at: "2026-11-25T09:17:59.972Z",
    finished_at: "2026-11-25T09:18:00.872Z",
    due_at: null,
    ...fields,
  };
}

/** A grid answer: its header, then the blocks of its leaves. */
export function gridBytes(
  header: Record<string, unknown> = {},
  blocks: number[] = [0b001100, 0b100],
): ArrayBuffer {
  const counts = { pending: 0, running: 0, retrying: 0, succeeded: 2, failed: 1, cancelled: 0, skipped: 0 };
  const text = new TextEncoder().encode(
    JSON.stringify({
      gen: 1,
      total: 3,
      leaf_size: 250,
      version: "v1",
      complete: true,
      leaves: [[0, 1]],
      running: [],
      running_total: 0,
      counts,
      ...header,
    }),
  );
  const bytes = new Uint8Array(4 + text.length + blocks.length);
  new DataView(bytes.buffer).setUint32(0, text.length, true);
  bytes.set(text, 4);
  bytes.set(blocks, 4 + text.length);
  return bytes.buffer;
}
