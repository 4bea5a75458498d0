/** What a job's page shows beside counts and tasks: failures by kind, events, series, cost. */
import { infiniteQueryOptions, queryOptions } from "@tanstack/react-query";
import { answer, client, type Schemas } from "./client";

export type ErrorGroup = Schemas["ErrorGroup"];
export type ErrorPage = Schemas["ErrorPage"];
export type JobEvent = Schemas["EventOut"];
export type Series = Schemas["SeriesOut"];
export type SeriesPoint = Series["points"][number];
export type Durations = NonNullable<Series["durations"]>;

export type Cost = Schemas["ReceiptOut"];

/** Failed tasks by error type and message, page by page. */
export const errorsQuery = (jobId: string) =>
  infiniteQueryOptions({
    queryKey: ["errors", jobId],
    queryFn: ({ signal, pageParam }) =>
      answer(
        client.GET("/api/v1/jobs/{job_id}/errors", {
          params: { path: { job_id: jobId }, query: { state: "FAILED", cursor: pageParam } },
          signal,
        }),
      ),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (page) => page.next_cursor ?? undefined,
    placeholderData: (before) => before,
  });

/** What has happened to the job. */
export const eventsQuery = (jobId: string) =>
  queryOptions({
    queryKey: ["events", jobId],
    queryFn: ({ signal }) =>
      answer(client.GET("/api/v1/jobs/{job_id}/events", { params: { path: { job_id: jobId } }, signal })),
  });

/** Counts over time, and how long attempts took. */
export const seriesQuery = (jobId: string) =>
  queryOptions({
    queryKey: ["series", jobId],
    queryFn: ({ signal }) =>
      answer(client.GET("/api/v1/jobs/{job_id}/series", { params: { path: { job_id: jobId } }, signal })),
  });

/** The receipt. */
export const costQuery = (jobId: string) =>
  queryOptions({
    queryKey: ["cost", jobId],
    queryFn: ({ signal }) =>
      answer(client.GET("/api/v1/jobs/{job_id}/cost", { params: { path: { job_id: jobId } }, signal })),
  });
