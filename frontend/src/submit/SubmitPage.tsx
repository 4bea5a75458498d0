/** Submits a job. */
import { useQuery } from "@tanstack/react-query";
import { getRouteApi } from "@tanstack/react-router";
import { jobQuery } from "@/api/jobs";
import { clonedTasksQuery } from "@/api/submit";
import type { Task } from "@/api/tasks";
import { Failure, Loading, Notice } from "@/ui/States";
import { type Draft, draftOf, EMPTY } from "./draft";
import { SubmitForm } from "./SubmitForm";

const route = getRouteApi("/signed-in/submit");

/** The part of a draft that says what the tasks are; null where they are too many to copy. */
export function sourceOf(total: number, tasks: readonly Task[]): Partial<Draft> | null {
  if (tasks.every((task) => task.input === null || task.input === undefined)) {
    return { source: "count", count: String(total) };
  }
  if (tasks.length < total) return null;
  const lines = tasks.map((task) => `  ${JSON.stringify(task.input)}`);
  return { source: "items", items: `[\n${lines.join(",\n")}\n]` };
}

function Clone({ jobId }: { jobId: string }) {
  const job = useQuery(jobQuery(jobId));
  const tasks = useQuery(clonedTasksQuery(jobId));
  const error = job.error ?? tasks.error;
  if (error) return <Failure error={error} retry={() => void job.refetch()} />;
  if (!job.data || !tasks.data) return <Loading rows={8} />;
  const source = sourceOf(tasks.data.total, tasks.data.tasks);
  return (
    <>
      {source === null && (
        <div className="mb-4">
          <Notice>
            The inputs of this job are too many to copy here: give them again. Its rules are filled in.
          </Notice>
        </div>
      )}
      <SubmitForm key={jobId} first={{ ...draftOf(job.data), ...source }} />
    </>
  );
}

/** The page. */
export function SubmitPage() {
  const { clone, handler } = route.useSearch();
  return (
    <>
      <title>Submit a job</title>
      <h1 className="mb-4 text-xl font-semibold">{clone ? "Clone a job" : "Submit a job"}</h1>
      {clone ? (
        <Clone jobId={clone} />
      ) : (
        <SubmitForm key={handler} first={{ ...EMPTY, handler: handler ?? "" }} />
      )}
    </>
  );
}
