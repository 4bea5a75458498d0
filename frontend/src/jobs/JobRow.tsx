/** One job of the list. */
import { Link } from "@tanstack/react-router";
import type { Job } from "@/api/jobs";
import { JobActions } from "@/job/JobActions";
import { count, percent, rate } from "@/ui/format";
import { ProgressBar } from "@/ui/ProgressBar";
import { StateBadge } from "@/ui/StateBadge";
import { Ago, Lasting } from "@/ui/Time";
import { averageRate } from "./progress";
import { Tags } from "./Tags";

const NUMBER = "px-3 py-2 text-right tabular whitespace-nowrap";

function Progress({ job }: { job: Job }) {
  return (
    <div className="min-w-36">
      <ProgressBar counts={job.counts} total={job.total ?? 0} />
      <div className="mt-1 flex justify-between gap-2 text-xs text-muted">
        <span className="tabular">{percent(job.progress)}</span>
        {job.counts.failed > 0 && (
          <span className="tabular font-medium text-t-failed">{count(job.counts.failed)} failed</span>
        )}
      </div>
    </div>
  );
}

/** A row; its first cell links to the job. */
export function JobRow({ job }: { job: Job }) {
  const speed = averageRate(job);
  return (
    <tr className="border-t border-line align-top hover:bg-sunken/50">
      <th scope="row" className="max-w-80 min-w-48 px-4 py-2 text-left font-normal">
        <Link
          to="/jobs/$jobId"
          params={{ jobId: job.job_id }}
          className="block truncate font-medium text-text hover:text-accent hover:underline"
          title={job.name}
        >
          {job.name}
        </Link>
        <span className="code block truncate text-muted">{job.handler}</span>
      </th>
      <td className="px-3 py-2">
        <StateBadge state={job.state} />
      </td>
      <td className="px-3 py-2.5">
        <Progress job={job} />
      </td>
      <td className={NUMBER}>{job.total === null ? "…" : count(job.total)}</td>
      <td className={`${NUMBER} max-md:hidden`}>{speed === null ? "–" : rate(speed)}</td>
      <td className={`${NUMBER} max-lg:hidden`}>
        <Ago at={job.created_at} />
      </td>
      <td className={`${NUMBER} max-md:hidden`}>
        {job.started_at ? <Lasting from={job.started_at} to={job.finished_at} /> : "–"}
      </td>
      <td className="max-w-56 px-3 py-2 max-xl:hidden">
        <Tags tags={job.tags} />
      </td>
      <td className="px-3 py-1.5 text-right">
        <JobActions job={job} compact />
      </td>
    </tr>
  );
}
