/** Parameters, tags, retries, time-outs and tolerated failures. */
import { TextField } from "@/ui/Field";
import type { Draft, Errors } from "./draft";
import { Editor } from "./Editor";

interface Props {
  draft: Draft;
  errors: Errors;
  set: (part: Partial<Draft>) => void;
}

type TextKey = "attempts" | "timeout" | "deadline" | "tolerated" | "maxRunning" | "priority" | "tags";

const FIELDS: readonly [key: TextKey, label: string, hint: string][] = [
  ["attempts", "Attempts", "Of a task that fails; 1 to 100"],
  ["timeout", "Time-out, seconds", "Of each attempt; up to 39,600"],
  ["deadline", "Deadline, seconds", "Of the whole job; none when empty"],
  ["tolerated", "Tolerated failures", "A number of tasks, or a percentage as 5%"],
  ["maxRunning", "Tasks at once", "At most; by the rate when empty"],
  ["priority", "Priority", "0 to 9; your jobs of a higher one go first"],
  ["tags", "Tags", "As team:data, env:prod"],
];

/** What may be left as it is. */
export function Rules({ draft, errors, set }: Props) {
  return (
    <div className="space-y-4">
      <div className="grid grid-cols-1 gap-x-4 gap-y-3 sm:grid-cols-2 lg:grid-cols-3">
        {FIELDS.map(([key, label, hint]) => (
          <TextField
            key={key}
            label={label}
            hint={hint}
            value={draft[key]}
            error={errors[key]?.[0]?.message}
            onChange={(value) => set({ [key]: value })}
          />
        ))}
      </div>
      <label className="flex items-center gap-2 text-[13px]">
        <input
          type="checkbox"
          checked={draft.stopWhenExceeded}
          onChange={(event) => set({ stopWhenExceeded: event.target.checked })}
        />
        Stop the job as soon as more tasks have failed than are tolerated
      </label>
      <Editor
        label="Parameters"
        value={draft.parameters}
        errors={errors.parameters}
        rows={3}
        hint="Any JSON, the same for all tasks; none when empty"
        onChange={(parameters) => set({ parameters })}
      />
    </div>
  );
}
