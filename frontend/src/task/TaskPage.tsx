/** One task. */
import { useQuery } from "@tanstack/react-query";
import { getRouteApi, Link } from "@tanstack/react-router";
import { useState } from "react";
import { type Job, jobQuery } from "@/api/jobs";
import { type Task, taskQuery } from "@/api/tasks";
import { AskRetry } from "@/job/JobActions";
import { useHold, useInterval } from "@/shell/refresh";
import { Button } from "@/ui/Button";
import { count } from "@/ui/format";
import { StateBadge } from "@/ui/StateBadge";
import { Failure, Loading } from "@/ui/States";
import { isFinal } from "@/ui/states";
import { TaskBody } from "./TaskBody";

const route = getRouteApi("/signed-in/tasks/$taskId");

/** Whether a task has ended for good, as far as its job is not retried. */
const hasEnded = (task: Task): boolean => !["PENDING", "RUNNING", "RETRYING"].includes(task.state);

function Retry({ task, job }: { task: Task; job: Job }) {
  const [asked, setAsked] = useState(false);
  useHold(asked);
  if (task.state === "SUCCEEDED" || !hasEnded(task)) return null;
  const final = isFinal(job.state);
  return (
    <>
      <Button
        disabled={!final}
        title={final ? undefined : "When the job has ended"}
        onClick={() => setAsked(true)}
      >
        Retry this task
      </Button>
      {asked && (
        <AskRetry
          job={job}
          choice={{ indexes: [task.index] }}
          what={`task ${count(task.index)}`}
          onClose={() => setAsked(false)}
        />
      )}
    </>
  );
}

function Header({ task, job }: { task: Task; job: Job | undefined }) {
  return (
    <header className="mb-4 flex flex-wrap items-start justify-between gap-3">
      <div className="min-w-0">
        <nav aria-label="Breadcrumb" className="mb-0.5 text-xs text-muted">
          <Link to="/jobs" className="hover:text-text hover:underline">
            Jobs
          </Link>
          <span aria-hidden="true"> / </span>
          <Link to="/jobs/$jobId" params={{ jobId: task.job_id }} className="hover:text-text hover:underline">
            {job?.name ?? task.job_id}
          </Link>
          <span aria-hidden="true"> / </span>
          <span className="code select-all">{task.task_id}</span>
        </nav>
        <div className="flex flex-wrap items-center gap-3">
          <h1 className="text-xl font-semibold">Task {count(task.index)}</h1>
          <StateBadge state={task.state} />
        </div>
      </div>
      {job && <Retry task={task} job={job} />}
    </header>
  );
}

/** The page. */
export function TaskPage() {
  const { taskId } = route.useParams();
  const query = taskQuery(taskId);
  const known = useQuery({ ...query, enabled: false }).data;
  const interval = useInterval(!known || !hasEnded(known));
  const task = useQuery({ ...query, refetchInterval: interval });
  const jobId = task.data?.job_id ?? "";
  const jobInterval = useInterval(true, 5);
  const job = useQuery({
    ...jobQuery(jobId),
    enabled: jobId !== "",
    refetchInterval: ({ state }) => (state.data && isFinal(state.data.state) ? false : jobInterval),
  });
  if (!task.data) {
    return task.error ? (
      <Failure error={task.error} retry={() => void task.refetch()} />
    ) : (
      <Loading rows={8} />
    );
  }
  return (
    <>
      <title>{`Task ${count(task.data.index)}`}</title>
      <Header task={task.data} job={job.data} />
      <TaskBody task={task.data} />
    </>
  );
}
