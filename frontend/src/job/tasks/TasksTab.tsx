/** The tasks of a job, as far as one scrolls. */
import { useInfiniteQuery } from "@tanstack/react-query";
import { useCallback, useMemo } from "react";
import type { Job } from "@/api/jobs";
import { tasksQuery } from "@/api/tasks";
import { useInterval } from "@/shell/refresh";
import { Button } from "@/ui/Button";
import { Panel } from "@/ui/Panel";
import { Empty, Failure, Loading } from "@/ui/States";
import { isFinal } from "@/ui/states";
import type { JobSearch } from "../search";
import { TaskFilters } from "./TaskFilters";
import { TaskList } from "./TaskList";

// Each page that was scrolled to is read again: a long list is polled less often.
const PAGES_POLLED = 3;
// A page of one type of error may hold none; after so many of them a person is asked whether to go on.
const PAGES_SEARCHED = 10;

function useTasks(job: Job, search: JobSearch) {
  const interval = useInterval(!isFinal(job.state));
  const tasks = useInfiniteQuery({
    ...tasksQuery(job.job_id, search.state, search.error),
    refetchInterval: ({ state }) => ((state.data?.pages.length ?? 0) <= PAGES_POLLED ? interval : false),
  });
  const rows = useMemo(() => tasks.data?.pages.flatMap((page) => page.tasks) ?? [], [tasks.data]);
  return { tasks, rows };
}

/** Whether the newest pages have all been empty, so many of them that it is time to ask. */
function foundNothing(pages: readonly { tasks: readonly unknown[] }[]): boolean {
  const newest = pages.slice(-PAGES_SEARCHED);
  return newest.length === PAGES_SEARCHED && newest.every((page) => page.tasks.length === 0);
}

/** Filters above, a virtual list below. */
export default function TasksTab({ job, search }: { job: Job; search: JobSearch }) {
  const { tasks, rows } = useTasks(job, search);
  const { hasNextPage, isFetching, fetchNextPage } = tasks;
  const pages = tasks.data?.pages ?? [];
  const searched = pages.length % PAGES_SEARCHED === 0 && foundNothing(pages);
  const more = useCallback(() => {
    if (hasNextPage && !isFetching && !searched) void fetchNextPage();
  }, [hasNextPage, isFetching, fetchNextPage, searched]);
  return (
    <Panel title="Tasks" aside={<TaskFilters job={job} search={search} />} flush>
      {tasks.data ? (
        <>
          {rows.length === 0 && !hasNextPage && (
            <Empty title={search.state || search.error ? "No task matches" : "There are no tasks yet"} />
          )}
          {(rows.length > 0 || hasNextPage) && <TaskList tasks={rows} complete={!hasNextPage} more={more} />}
          {searched && hasNextPage && (
            <div className="border-t border-line px-4 py-2">
              <Button onClick={() => void fetchNextPage()}>
                Nothing in the last {PAGES_SEARCHED} pages; look further
              </Button>
            </div>
          )}
        </>
      ) : tasks.error ? (
        <Failure error={tasks.error} retry={() => void tasks.refetch()} />
      ) : (
        <Loading rows={8} />
      )}
    </Panel>
  );
}
