/** Throughput over time and how long tasks take; the plotting code comes when it is needed. */
import { useQuery } from "@tanstack/react-query";
import { lazy, type ReactNode, Suspense } from "react";
import { type Durations, seriesQuery } from "@/api/insight";
import type { Job } from "@/api/jobs";
import { useInterval } from "@/shell/refresh";
import { count, duration } from "@/ui/format";
import { Panel } from "@/ui/Panel";
import { Empty, Failure, Loading } from "@/ui/States";
import { isFinal } from "@/ui/states";

const Throughput = lazy(() => import("./Throughput"));
const Histogram = lazy(() => import("./Histogram"));

const LEAST_SECONDS = 5;

function Quantiles({ durations }: { durations: Durations }) {
  const shown = [
    ["median", durations.p50_ms],
    ["90 %", durations.p90_ms],
    ["99 %", durations.p99_ms],
    ["longest", durations.max_ms],
  ] as const;
  return (
    <dl className="tabular flex flex-wrap gap-x-3 text-xs text-muted">
      {shown.map(([name, ms]) => (
        <div key={name} className="flex gap-1">
          <dt>{name}</dt>
          <dd className="font-medium text-text">{duration(ms / 1000)}</dd>
        </div>
      ))}
    </dl>
  );
}

/** Two panels. */
export function PlotsPanels({ job }: { job: Job }) {
  const live = !isFinal(job.state);
  const series = useQuery({ ...seriesQuery(job.job_id), refetchInterval: useInterval(live, LEAST_SECONDS) });
  const body = (content: ReactNode) =>
    series.data ? (
      <Suspense fallback={<Loading rows={6} />}>{content}</Suspense>
    ) : series.error ? (
      <Failure error={series.error} retry={() => void series.refetch()} />
    ) : (
      <Loading rows={6} />
    );
  const durations = series.data?.durations ?? null;
  const points = series.data?.points ?? [];
  return (
    <>
      <Panel title="Throughput">
        {body(points.length > 1 ? <Throughput points={points} /> : <Empty title="There is no history yet" />)}
      </Panel>
      <Panel title="Duration of tasks" aside={durations && <Quantiles durations={durations} />}>
        {body(
          durations ? (
            <>
              <Histogram bins={durations.bins} />
              {durations.basis === "sample" && (
                <p className="mt-1 text-xs text-muted">
                  A sample of {count(durations.sampled)} of {count(durations.ended)} tasks that ended.
                </p>
              )}
            </>
          ) : (
            <Empty title="No task has ended yet" />
          ),
        )}
      </Panel>
    </>
  );
}
