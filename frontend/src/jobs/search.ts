/** What the address of the list says. */
import type { JobFilter } from "@/api/jobs";
import { JOB_STATES, type JobState } from "@/ui/states";

const text = (value: unknown): string | undefined =>
  typeof value === "string" && value.trim() ? value : typeof value === "number" ? String(value) : undefined;

/** Read the list's filters from an address; what is no filter is dropped. */
export function readJobsSearch(search: Record<string, unknown>): JobFilter {
  return {
    state: JOB_STATES.find((state: JobState) => state === search.state),
    name: text(search.name),
    tag: text(search.tag),
    cursor: text(search.cursor),
  };
}
