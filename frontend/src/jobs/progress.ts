/** Rates and ends, from what a job says of itself. */
import type { Job } from "@/api/jobs";
import { between } from "@/ui/format";
import { isFinal } from "@/ui/states";

/** Tasks of the job that have ended. */
export const ended = (job: Job): number => {
  const { succeeded, failed, cancelled, skipped } = job.counts;
  return succeeded + failed + cancelled + skipped;
};

/** Tasks a second that ended by running, over the whole time; null before the first. */
export function averageRate(job: Job): number | null {
  const done = job.counts.succeeded + job.counts.failed;
  if (!job.started_at || done === 0) return null;
  return done / Math.max(0.5, between(job.started_at, job.finished_at));
}

/** Seconds that are left at the rate so far; null when nothing tells. */
export function secondsLeft(job: Job): number | null {
  const rate = averageRate(job);
  if (rate === null || isFinal(job.state) || job.total === null) return null;
  return (job.total - ended(job)) / rate;
}
