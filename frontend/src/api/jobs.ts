/** Jobs: what is read and what is done. */
import { infiniteQueryOptions, mutationOptions, queryOptions } from "@tanstack/react-query";
import { answer, client, type Schemas } from "./client";

export type Job = Schemas["JobOut"];
export type RetryChoice = Schemas["RetryJobIn"];

export interface JobFilter {
  state?: Schemas["JobState"];
  name?: string;
  tag?: string;
  cursor?: string;
}

export const JOBS_PER_PAGE = 25;
/** Of a job that names none. */
export const USUAL_PRIORITY = 5;

/** One page of jobs, newest first. */
export const jobsQuery = (filter: JobFilter) =>
  queryOptions({
    queryKey: ["jobs", filter],
    queryFn: ({ signal }) =>
      answer(
        client.GET("/api/v1/jobs", {
          params: { query: { ...filter, tag: filter.tag?.split(/\s+/), limit: JOBS_PER_PAGE } },
          signal,
        }),
      ),
    placeholderData: (before) => before,
  });

/** One job. */
export const jobQuery = (jobId: string) =>
  queryOptions({
    queryKey: ["job", jobId],
    queryFn: ({ signal }) =>
      answer(client.GET("/api/v1/jobs/{job_id}", { params: { path: { job_id: jobId } }, signal })),
  });

/** Links to the results of a job that has ended. */
export const resultsQuery = (jobId: string, gen: number) =>
  queryOptions({
    queryKey: ["results", jobId, gen],
    queryFn: ({ signal }) =>
      answer(client.GET("/api/v1/jobs/{job_id}/results", { params: { path: { job_id: jobId } }, signal })),
    // The links live an hour.
    staleTime: 30 * 60_000,
  });

/** The audit, page by page. */
export const auditQuery = (jobId: string) =>
  infiniteQueryOptions({
    queryKey: ["audit", jobId],
    queryFn: ({ signal, pageParam }) =>
      answer(
        client.GET("/api/v1/jobs/{job_id}/audit", {
          params: { path: { job_id: jobId }, query: { cursor: pageParam } },
          signal,
        }),
      ),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (page) => page.next_cursor ?? undefined,
    staleTime: Number.POSITIVE_INFINITY,
  });

/** Cancel a job. */
export const cancelMutation = () =>
  mutationOptions({
    mutationFn: (jobId: string) =>
      answer(client.POST("/api/v1/jobs/{job_id}/cancel", { params: { path: { job_id: jobId } } })),
  });

/** Retry some tasks of a job; `once` makes a second click the same request. */
export const retryMutation = () =>
  mutationOptions({
    mutationFn: ({ jobId, choice, once }: { jobId: string; choice: RetryChoice; once: string }) =>
      answer(
        client.POST("/api/v1/jobs/{job_id}/retry", {
          params: { path: { job_id: jobId }, header: { "idempotency-key": once } },
          body: choice,
        }),
      ),
  });
