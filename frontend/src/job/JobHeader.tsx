/** What the job is, and what can be done with it. */
import { Link } from "@tanstack/react-router";
import type { Job } from "@/api/jobs";
import { Tags } from "@/jobs/Tags";
import { StateBadge } from "@/ui/StateBadge";
import { JobActions } from "./JobActions";

/** Name, state, why, and the actions. */
export function JobHeader({ job }: { job: Job }) {
  return (
    <header className="mb-4 flex flex-wrap items-start justify-between gap-x-6 gap-y-3">
      <div className="min-w-0">
        <nav aria-label="Breadcrumb" className="mb-0.5 text-xs text-muted">
          <Link to="/jobs" className="hover:text-text hover:underline">
            Jobs
          </Link>
          <span aria-hidden="true"> / </span>
          <span className="code select-all">{job.job_id}</span>
        </nav>
        <div className="flex flex-wrap items-center gap-x-3 gap-y-1">
          <h1 className="text-xl font-semibold break-words">{job.name}</h1>
          <StateBadge state={job.state} />
        </div>
        <div className="mt-1 flex flex-wrap items-center gap-2 text-muted">
          <span className="code">{job.handler}</span>
          {job.gen > 1 && <span className="text-[13px]">generation {job.gen}</span>}
          <Tags tags={job.tags} />
        </div>
        {job.state_reason && <p className="mt-1.5 text-[13px] font-medium">{job.state_reason}</p>}
      </div>
      <JobActions job={job} />
    </header>
  );
}
