/** The states of the grid with their numbers; each can be picked out. */
import { count } from "@/ui/format";
import { type Counts, countOf, FILL, label, TASK_STATES, tone } from "@/ui/states";
import { codeOf } from "./cells";

interface Props {
  counts: Counts;
  picked: ReadonlySet<number>;
  pick: (code: number) => void;
}

/** Toggles for the states that occur. */
export function Legend({ counts, picked, pick }: Props) {
  const present = TASK_STATES.filter((state) => countOf(counts, state) > 0 || picked.has(codeOf(state)));
  return (
    <fieldset className="flex flex-wrap gap-1">
      <legend className="sr-only">Pick out states</legend>
      {present.map((state) => {
        const code = codeOf(state);
        return (
          <button
            key={state}
            type="button"
            aria-pressed={picked.has(code)}
            onClick={() => pick(code)}
            className="flex items-center gap-1.5 rounded-md border border-transparent px-1.5 py-0.5 text-xs text-muted hover:bg-sunken aria-pressed:border-strong aria-pressed:bg-sunken aria-pressed:text-text"
          >
            <span aria-hidden="true" className={`size-2.5 rounded-[2px] ${FILL[tone(state)]}`} />
            {label(state)} <span className="tabular">{count(countOf(counts, state))}</span>
          </button>
        );
      })}
    </fieldset>
  );
}
