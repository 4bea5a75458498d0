/** One kind of failure. */
import { Link } from "@tanstack/react-router";
import type { ErrorGroup } from "@/api/insight";
import type { Job } from "@/api/jobs";
import { Button } from "@/ui/Button";
import { count } from "@/ui/format";

interface Props {
  job: Job;
  group: ErrorGroup;
  share: number;
  retry: (() => void) | null;
}

/** The words that match any message of the group are what it is known by. */
export function FailureGroup({ job, group, share, retry }: Props) {
  return (
    <li className="px-4 py-3">
      <div className="flex items-baseline justify-between gap-3">
        <span className="code min-w-0 font-semibold break-all">{group.error_type}</span>
        <span className="tabular text-[13px] font-semibold text-t-failed">{count(group.count)}</span>
      </div>
      <div aria-hidden="true" className="mt-1 h-1 overflow-hidden rounded-full bg-sunken">
        <div className="h-full bg-s-failed" style={{ width: `${Math.max(1, share * 100)}%` }} />
      </div>
      <p className="code mt-1.5 line-clamp-2 break-words text-muted" title={group.message}>
        {group.pattern}
      </p>
      <div className="mt-1.5 flex flex-wrap items-center gap-x-3 gap-y-1 text-xs">
        {group.task_ids.slice(0, 3).map((taskId) => (
          <Link
            key={taskId}
            to="/tasks/$taskId"
            params={{ taskId }}
            className="tabular text-accent hover:underline"
          >
            task {taskId.slice(taskId.lastIndexOf("-") + 1)}
          </Link>
        ))}
        <Link
          to="/jobs/$jobId"
          params={{ jobId: job.job_id }}
          search={{ tab: "tasks", state: "FAILED", error: group.error_type }}
          className="text-accent hover:underline"
        >
          all in the list
        </Link>
        {retry && (
          <Button kind="ghost" className="ml-auto h-6 px-2 text-xs" onClick={retry}>
            Retry {group.error_type}
          </Button>
        )}
      </div>
    </li>
  );
}
