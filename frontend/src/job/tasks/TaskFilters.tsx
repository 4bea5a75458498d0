/** Which tasks are listed; the choice is in the address. */
import { useNavigate } from "@tanstack/react-router";
import type { Job } from "@/api/jobs";
import { Button } from "@/ui/Button";
import { Select } from "@/ui/Field";
import { count } from "@/ui/format";
import { countOf, label, TASK_STATES, type TaskState } from "@/ui/states";
import type { JobSearch } from "../search";

/** A choice of state, and the error group that was chosen elsewhere. */
export function TaskFilters({ job, search }: { job: Job; search: JobSearch }) {
  const navigate = useNavigate();
  const set = (part: JobSearch) =>
    void navigate({
      to: "/jobs/$jobId",
      params: { jobId: job.job_id },
      search: { tab: "tasks", ...part },
    });
  const states = TASK_STATES.map(
    (state) => [state, `${label(state)} (${count(countOf(job.counts, state))})`] as const,
  );
  return (
    <div className="flex flex-wrap items-center gap-2">
      {search.error && (
        <Button
          kind="plain"
          onClick={() => set({ state: search.state })}
          aria-label="Remove the error filter"
        >
          <span className="code max-w-60 truncate">{search.error}</span> ✕
        </Button>
      )}
      <Select
        label="State of tasks"
        value={search.state ?? ""}
        options={[["", "Any state"], ...states]}
        onChange={(state) => set({ state: (state || undefined) as TaskState | undefined })}
      />
    </div>
  );
}
