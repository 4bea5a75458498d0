/** What was submitted. */
import type { Job } from "@/api/jobs";
import { Json } from "@/ui/Json";
import { Panel } from "@/ui/Panel";

/** The rules and names of the job, as it keeps them. */
export default function SpecTab({ job }: { job: Job }) {
  const { name, handler, priority, tags, policy, created_by, created_at, deadline_at } = job;
  return (
    <Panel title="Spec">
      <Json
        label="Spec of the job"
        value={{ name, handler, priority, tags, created_by, created_at, deadline_at, ...policy }}
      />
    </Panel>
  );
}
