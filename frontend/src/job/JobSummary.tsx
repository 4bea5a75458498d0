/** How far the job is: its bar, its counts, its times. */
import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";
import { type Job, USUAL_PRIORITY } from "@/api/jobs";
import { averageRate, secondsLeft } from "@/jobs/progress";
import { count, duration, percent, rate } from "@/ui/format";
import { ProgressBar } from "@/ui/ProgressBar";
import { countOf, FILL, INK, label, TASK_STATES, type TaskState, tone } from "@/ui/states";
import { Ago, Lasting } from "@/ui/Time";

function Count({ job, state }: { job: Job; state: TaskState }) {
  const value = countOf(job.counts, state);
  const kind = tone(state);
  return (
    <Link
      to="/jobs/$jobId"
      params={{ jobId: job.job_id }}
      search={{ tab: "tasks", state }}
      className="group block min-w-20 rounded-md px-2 py-1 hover:bg-sunken"
    >
      <span className="flex items-center gap-1.5 text-xs text-muted">
        <span aria-hidden="true" className={`size-2 rounded-[2px] ${FILL[kind]}`} />
        {label(state)}
      </span>
      <span
        className={`tabular block text-lg leading-tight font-semibold ${value ? INK[kind] : "text-faint"}`}
      >
        {count(value)}
      </span>
    </Link>
  );
}

function Fact({ name, children }: { name: string; children: ReactNode }) {
  return (
    <div className="px-2 py-1">
      <dt className="text-xs text-muted">{name}</dt>
      <dd className="tabular text-[13px] leading-7 font-medium">{children}</dd>
    </div>
  );
}

function Facts({ job }: { job: Job }) {
  const speed = averageRate(job);
  const left = secondsLeft(job);
  return (
    <dl className="flex flex-wrap gap-x-3">
      <Fact name="Tasks">{job.total === null ? "being counted" : count(job.total)}</Fact>
      {speed !== null && <Fact name="Average rate">{rate(speed)}</Fact>}
      <Fact name="Submitted">
        <Ago at={job.created_at} />
      </Fact>
      {job.started_at && (
        <Fact name={job.finished_at ? "Took" : "Running for"}>
          <Lasting from={job.started_at} to={job.finished_at} />
        </Fact>
      )}
      {job.priority !== USUAL_PRIORITY && <Fact name="Priority">{job.priority}</Fact>}
      {left !== null && <Fact name="Left, at this rate">{duration(Math.ceil(left))}</Fact>}
    </dl>
  );
}

/** Shown above every tab. */
export function JobSummary({ job }: { job: Job }) {
  return (
    <section aria-label="Progress" className="mb-4 rounded-lg border border-line bg-panel p-4">
      <div className="mb-3 flex items-center gap-3">
        <ProgressBar counts={job.counts} total={job.total ?? 0} tall />
        <span className="tabular w-16 text-right text-[13px] font-semibold">{percent(job.progress)}</span>
      </div>
      <div className="-mx-2 -mb-1 flex flex-wrap items-start justify-between gap-x-6">
        <div className="flex flex-wrap gap-x-1">
          {TASK_STATES.map((state) => (
            <Count key={state} job={job} state={state} />
          ))}
        </div>
        <Facts job={job} />
      </div>
    </section>
  );
}
