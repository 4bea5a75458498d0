/** Every page of the site, with something on it. */
import type { Api } from "./site";

/** Names of pages, and where they are for a job that has failures. */
export const pagesOf = (jobId: string, failed: number): readonly [name: string, address: string][] => [
  ["jobs", "/jobs"],
  ["job", `/jobs/${jobId}`],
  ["tasks", `/jobs/${jobId}?tab=tasks&state=FAILED`],
  ["timeline", `/jobs/${jobId}?tab=timeline`],
  ["spec", `/jobs/${jobId}?tab=spec`],
  ["results", `/jobs/${jobId}?tab=results`],
  ["audit", `/jobs/${jobId}?tab=audit`],
  ["cost", `/jobs/${jobId}?tab=cost`],
  ["task", `/tasks/${jobId}-${failed}`],
  ["submit", `/submit?clone=${jobId}`],
  ["workers", "/workers"],
];

/** A job of some size that looks like real ones: most tasks succeed, some fail in three ways. */
export async function aRealJob(api: Api): Promise<{ jobId: string; failed: number }> {
  const jobId = await api.submit({
    name: "resize product images",
    handler: "site.resize",
    tasks: { count: 2500 },
    retry: { max_attempts: 1 },
    tolerated_failures: { percent: 1 },
    tags: { team: "media", env: "prod" },
  });
  await api.finish(jobId);
  return { jobId, failed: 97 };
}
