/** Who is alive, and what each runs. */
import { useInfiniteQuery } from "@tanstack/react-query";
import { workersQuery } from "@/api/workers";
import { useInterval } from "@/shell/refresh";
import { Button } from "@/ui/Button";
import { count } from "@/ui/format";
import { Empty, Failure, Loading } from "@/ui/States";
import { WorkerPanel } from "./WorkerPanel";

/** The page. */
export function WorkersPage() {
  const workers = useInfiniteQuery({ ...workersQuery(), refetchInterval: useInterval(true) });
  const all = workers.data?.pages.flatMap((page) => page.workers) ?? [];
  all.sort((a, b) => a.worker_id.localeCompare(b.worker_id));
  const slots = all.reduce((sum, worker) => sum + worker.slots, 0);
  const running = all.reduce((sum, worker) => sum + worker.running, 0);
  return (
    <>
      <title>Workers</title>
      <div className="mb-4 flex flex-wrap items-baseline gap-x-4">
        <h1 className="text-xl font-semibold">Workers</h1>
        {all.length > 0 && (
          <p className="tabular text-[13px] text-muted">
            {count(all.length)} alive, {count(running)} of {count(slots)} slots busy
          </p>
        )}
      </div>
      {all.length ? (
        <div className="grid grid-cols-1 gap-4 xl:grid-cols-2">
          {all.map((worker) => (
            <WorkerPanel key={worker.worker_id} worker={worker} />
          ))}
        </div>
      ) : (
        <div className="rounded-lg border border-line bg-panel">
          {workers.error ? (
            <Failure error={workers.error} retry={() => void workers.refetch()} />
          ) : workers.data ? (
            <Empty title="No worker has been heard of for three minutes">
              Start one: python -m worker, with the permissions of WorkerPolicyArn.
            </Empty>
          ) : (
            <Loading rows={6} />
          )}
        </div>
      )}
      {workers.hasNextPage && (
        <Button className="mt-4" disabled={workers.isFetching} onClick={() => void workers.fetchNextPage()}>
          Show more
        </Button>
      )}
    </>
  );
}
