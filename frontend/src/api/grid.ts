/** The state of every task of a job: all of it first, then what has changed. */
import { type QueryClient, queryOptions } from "@tanstack/react-query";
import { answer, client } from "./client";
import { decodeGrid, type Grid } from "./gridDecode";
import { Problem } from "./problem";

const MOST_ANSWERS = 20;

async function ask(jobId: string, since: string | undefined, signal: AbortSignal): Promise<ArrayBuffer> {
  const got: unknown = await answer(
    client.GET("/api/v1/jobs/{job_id}/grid", {
      params: { path: { job_id: jobId }, query: { since } },
      // The gateway sends bytes only to whom asks for nothing else.
      headers: { Accept: "application/octet-stream" },
      parseAs: "arrayBuffer",
      signal,
    }),
  );
  return got as ArrayBuffer;
}

async function update(jobId: string, before: Grid | undefined, signal: AbortSignal): Promise<Grid> {
  let grid = decodeGrid(await ask(jobId, before?.version, signal), before);
  for (let asked = 1; !grid.complete && asked < MOST_ANSWERS; asked += 1) {
    grid = decodeGrid(await ask(jobId, grid.version, signal), grid);
  }
  return grid;
}

/** Nothing has changed: the same object again, so that nothing is drawn again. */
function sameAs(before: Grid | undefined, now: Grid): boolean {
  return (
    before !== undefined &&
    before.version === now.version &&
    before.total === now.total &&
    before.running.join() === now.running.join()
  );
}

/** The grid of a job; each read after the first asks for changes alone. */
export const gridQuery = (jobId: string, queries: QueryClient) =>
  queryOptions({
    queryKey: ["grid", jobId],
    queryFn: async ({ signal, queryKey }) => {
      const before = queries.getQueryData<Grid>(queryKey);
      try {
        const now = await update(jobId, before, signal);
        return before && sameAs(before, now) ? before : now;
      } catch (error) {
        if (before && error instanceof Problem && error.status === 400)
          return update(jobId, undefined, signal);
        throw error;
      }
    },
    // Megabytes of states are not compared field by field.
    structuralSharing: false,
  });
