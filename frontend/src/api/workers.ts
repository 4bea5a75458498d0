/** Workers: who is alive. */
import { infiniteQueryOptions, queryOptions } from "@tanstack/react-query";
import { answer, client, type Schemas } from "./client";

export type Worker = Schemas["WorkerOut"];
export type WorkerTask = Schemas["WorkerTask"];

const ask = (cursor: string | undefined, signal: AbortSignal) =>
  answer(client.GET("/api/v1/workers", { params: { query: { cursor, limit: 100 } }, signal }));

/** Workers that were heard of within three minutes, page by page. */
export const workersQuery = () =>
  infiniteQueryOptions({
    queryKey: ["workers"],
    queryFn: ({ signal, pageParam }) => ask(pageParam, signal),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (page) => page.next_cursor ?? undefined,
  });

/** Handlers that live workers have, by name; the first hundred workers tell. */
export const handlersQuery = () =>
  queryOptions({
    queryKey: ["handlers"],
    queryFn: async ({ signal }) => {
      const page = await ask(undefined, signal);
      return [...new Set(page.workers.flatMap((worker) => worker.handlers))].sort();
    },
  });
