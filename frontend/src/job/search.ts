/** What the address of a job's page says. */
import { TASK_STATES, type TaskState } from "@/ui/states";

export const TABS = ["overview", "tasks", "timeline", "spec", "results", "audit", "cost"] as const;
export type Tab = (typeof TABS)[number];

export interface JobSearch {
  tab?: Tab;
  state?: TaskState;
  error?: string;
}

/** Read tab and task filter from an address. */
export function readJobSearch(search: Record<string, unknown>): JobSearch {
  return {
    tab: TABS.find((tab) => tab === search.tab),
    state: TASK_STATES.find((state) => state === search.state),
    error: typeof search.error === "string" && search.error ? search.error : undefined,
  };
}
