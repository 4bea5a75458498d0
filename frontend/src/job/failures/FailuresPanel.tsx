/** Failed tasks by kind, the most frequent first. */
import { useInfiniteQuery } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import { errorsQuery } from "@/api/insight";
import type { Job } from "@/api/jobs";
import { useHold, useInterval } from "@/shell/refresh";
import { Button } from "@/ui/Button";
import { count } from "@/ui/format";
import { Panel } from "@/ui/Panel";
import { Empty, Failure, Loading } from "@/ui/States";
import { isFinal } from "@/ui/states";
import { AskRetry } from "../JobActions";
import { FailureGroup } from "./FailureGroup";
import { merged } from "./groups";

// Rows are read to be grouped: while a job runs, not as often as its counts.
const LEAST_SECONDS = 5;

function useFailures(job: Job) {
  const { failed } = job.counts;
  const interval = useInterval(!isFinal(job.state) && failed > 0, LEAST_SECONDS);
  const errors = useInfiniteQuery({
    ...errorsQuery(job.job_id),
    enabled: failed > 0,
    refetchInterval: ({ state }) => ((state.data?.pages.length ?? 0) <= 1 ? interval : false),
  });
  const { refetch } = errors;
  // The end of the job ends the polling too: its last failures are read once more.
  useEffect(() => {
    if (failed > 0 && isFinal(job.state)) void refetch();
  }, [failed, job.state, refetch]);
  return errors;
}

function Groups({ job }: { job: Job }) {
  const errors = useFailures(job);
  const [asked, setAsked] = useState<string | null>(null);
  useHold(asked !== null);
  const pages = errors.data?.pages;
  if (!pages) {
    return errors.error ? (
      <Failure error={errors.error} retry={() => void errors.refetch()} />
    ) : (
      <Loading rows={5} />
    );
  }
  const groups = merged(pages);
  const read = pages.reduce((sum, page) => sum + page.read, 0);
  return (
    <>
      <ul className="max-h-96 divide-y divide-line overflow-y-auto border-t border-line xl:max-h-[21.5rem]">
        {groups.map((group) => (
          <FailureGroup
            key={`${group.error_type}\n${group.pattern}`}
            job={job}
            group={group}
            share={group.count / Math.max(1, read)}
            retry={isFinal(job.state) ? () => setAsked(group.error_type) : null}
          />
        ))}
      </ul>
      {errors.hasNextPage && (
        <div className="flex items-center justify-between border-t border-line px-4 py-2 text-xs text-muted">
          <span className="tabular">
            {count(read)} of {count(pages.at(-1)?.total ?? 0)} failed tasks are grouped
          </span>
          <Button kind="ghost" disabled={errors.isFetching} onClick={() => void errors.fetchNextPage()}>
            Read more
          </Button>
        </div>
      )}
      {asked && (
        <AskRetry
          job={job}
          choice={{ error_types: [asked] }}
          what={`all tasks that failed with ${asked}`}
          onClose={() => setAsked(null)}
        />
      )}
    </>
  );
}

/** The panel; without failures it says so. */
export function FailuresPanel({ job }: { job: Job }) {
  return (
    <Panel title={job.counts.failed ? `Failures (${count(job.counts.failed)})` : "Failures"} flush>
      {job.counts.failed ? <Groups job={job} /> : <Empty title="No task has failed" />}
    </Panel>
  );
}
