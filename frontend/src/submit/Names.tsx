/** The job's name, and the handler that runs its tasks. */
import { useQuery } from "@tanstack/react-query";
import { handlersQuery } from "@/api/workers";
import { TextField } from "@/ui/Field";
import type { Draft, Errors } from "./draft";

interface Props {
  draft: Draft;
  errors: Errors;
  set: (part: Partial<Draft>) => void;
}

/** Handlers of live workers are suggested; a job of another one waits until such a worker comes. */
export function Names({ draft, errors, set }: Props) {
  const handlers = useQuery(handlersQuery()).data?.names ?? [];
  const unknown = handlers.length > 0 && draft.handler !== "" && !handlers.includes(draft.handler.trim());
  return (
    <div className="grid grid-cols-1 gap-4 sm:grid-cols-2">
      <TextField
        label="Name"
        value={draft.name}
        error={draft.name ? errors.name?.[0]?.message : null}
        onChange={(name) => set({ name })}
        required
      />
      <div>
        <TextField
          label="Handler"
          list="handlers"
          className="code"
          value={draft.handler}
          error={draft.handler ? errors.handler?.[0]?.message : null}
          hint={unknown ? "No live worker has this handler; tasks will wait for one" : undefined}
          onChange={(handler) => set({ handler })}
          required
        />
        <datalist id="handlers">
          {handlers.map((handler) => (
            <option key={handler} value={handler} />
          ))}
        </datalist>
      </div>
    </div>
  );
}
