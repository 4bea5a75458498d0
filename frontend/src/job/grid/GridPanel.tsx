/** The grid with its legend. */
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useMemo, useState } from "react";
import { gridQuery } from "@/api/grid";
import type { Job } from "@/api/jobs";
import { useInterval } from "@/shell/refresh";
import { Panel } from "@/ui/Panel";
import { Empty, Failure, Loading } from "@/ui/States";
import { isFinal } from "@/ui/states";
import { Legend } from "./Legend";
import { TaskGrid } from "./TaskGrid";

function toggled(set: ReadonlySet<number>, code: number): ReadonlySet<number> {
  const next = new Set(set);
  if (!next.delete(code)) next.add(code);
  return next;
}

/** Every task as a cell, followed while the job runs. */
export function GridPanel({ job }: { job: Job }) {
  const queries = useQueryClient();
  const query = useMemo(() => gridQuery(job.job_id, queries), [job.job_id, queries]);
  const known = useQuery({ ...query, enabled: false }).data;
  // The last read must be one of after the end, so the key to its rest is what the grid itself counts.
  const settled =
    isFinal(job.state) &&
    known?.gen === job.gen &&
    known.counts.running === 0 &&
    sumsAgree(job, known.counts);
  const grid = useQuery({ ...query, refetchInterval: useInterval(!settled) });
  const [picked, setPicked] = useState<ReadonlySet<number>>(new Set());
  return (
    <Panel
      title="Tasks"
      aside={
        <Legend
          counts={grid.data?.counts ?? job.counts}
          picked={picked}
          pick={(code) => setPicked((old) => toggled(old, code))}
        />
      }
    >
      {grid.data?.total ? (
        <TaskGrid jobId={job.job_id} cells={grid.data.cells} picked={picked} />
      ) : grid.error ? (
        <Failure error={grid.error} retry={() => void grid.refetch()} />
      ) : grid.data ? (
        <Empty title="The tasks are being counted" />
      ) : (
        <Loading rows={8} />
      )}
    </Panel>
  );
}

function sumsAgree(job: Job, counts: Job["counts"]): boolean {
  return counts.succeeded === job.counts.succeeded && counts.failed === job.counts.failed;
}
