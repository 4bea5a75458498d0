/** Workers: who is alive. */
import { infiniteQueryOptions, queryOptions } from "@tanstack/react-query";
import { answer, client, type Schemas } from "./client";

export type Worker = Schemas["WorkerOut"];
export type WorkerTask = Schemas["WorkerTask"];

const ask = (cursor: string | undefined, signal: AbortSignal, schemas?: true) =>
  answer(client.GET("/api/v1/workers", { params: { query: { cursor, limit: 100, schemas } }, signal }));

/** Workers that were heard of within three minutes, page by page. */
export const workersQuery = () =>
  infiniteQueryOptions({
    queryKey: ["workers"],
    queryFn: ({ signal, pageParam }) => ask(pageParam, signal),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (page) => page.next_cursor ?? undefined,
  });

/** Handlers that live workers have, by name, and the JSON schemas of their inputs; the first hundred workers tell. */
export const handlersQuery = () =>
  queryOptions({
    queryKey: ["handlers"],
    queryFn: async ({ signal }) => {
      const page = await ask(undefined, signal, true);
      const names = [...new Set(page.workers.flatMap((worker) => worker.handlers))].sort();
      return { names, schemas: page.schemas ?? {} };
    },
  });
