/** Tasks: what is read. */
import { infiniteQueryOptions, queryOptions } from "@tanstack/react-query";
import { answer, client, type Schemas } from "./client";

export type Task = Schemas["TaskOut"];

const TASKS_PER_PAGE = 100;

/** Tasks of a job by index, page by page; a page of one type of error may be empty and not the last. */
export const tasksQuery = (jobId: string, state?: Schemas["TaskState"], errorType?: string) =>
  infiniteQueryOptions({
    queryKey: ["tasks", jobId, state, errorType],
    queryFn: ({ signal, pageParam }) =>
      answer(
        client.GET("/api/v1/jobs/{job_id}/tasks", {
          params: {
            path: { job_id: jobId },
            query: { state, error_type: errorType, cursor: pageParam, limit: TASKS_PER_PAGE },
          },
          signal,
        }),
      ),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (page) => page.next_cursor ?? undefined,
    placeholderData: (before) => before,
  });

/** One task. */
export const taskQuery = (taskId: string) =>
  queryOptions({
    queryKey: ["task", taskId],
    queryFn: ({ signal }) =>
      answer(client.GET("/api/v1/tasks/{task_id}", { params: { path: { task_id: taskId } }, signal })),
  });
