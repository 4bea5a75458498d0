/** Submitting: the dry run, the upload, the submit itself. */
import { mutationOptions, queryOptions } from "@tanstack/react-query";
import type { Body } from "@/submit/draft";
import { answer, client, type Schemas } from "./client";
import { type Task, tasksQuery } from "./tasks";

export type Plan = Schemas["PlanOut"];

// The form knows which fields it fills; what it leaves out has a default.
const sent = (body: Body) => body as unknown as Schemas["SubmitJobIn"];

/** What would become of a submission; nothing is created. */
export const planMutation = () =>
  mutationOptions({ mutationFn: (body: Body) => answer(client.POST("/api/v1/plans", { body: sent(body) })) });

/** Submit; `once` makes a repeat of the same draft the same request. */
export const submitMutation = () =>
  mutationOptions({
    mutationFn: ({ body, once }: { body: Body; once: string }) =>
      answer(
        client.POST("/api/v1/jobs", {
          params: { header: { "idempotency-key": once } },
          body: sent(body),
        }),
      ),
  });

/** Ask where a file goes. */
export const beginUpload = (filename: string, sizeBytes: number, sha256: string | undefined) =>
  answer(client.POST("/api/v1/uploads", { body: { filename, size_bytes: sizeBytes, sha256 } }));

const MOST_CLONED = 500;
const PER_PAGE = 100;

/** The first tasks of a job that is cloned: all of them, where they are few enough to copy. */
export const clonedTasksQuery = (jobId: string) =>
  queryOptions({
    queryKey: ["cloned-tasks", jobId],
    queryFn: async ({ signal, client: queries }): Promise<{ total: number; tasks: Task[] }> => {
      const job = await answer(
        client.GET("/api/v1/jobs/{job_id}", { params: { path: { job_id: jobId } }, signal }),
      );
      const total = job.total ?? 0;
      const pages = total > MOST_CLONED ? 1 : Math.max(1, Math.ceil(total / PER_PAGE));
      const read = await queries.fetchInfiniteQuery({ ...tasksQuery(jobId), pages });
      return { total, tasks: read.pages.flatMap((page) => page.tasks) };
    },
    staleTime: Number.POSITIVE_INFINITY,
  });
