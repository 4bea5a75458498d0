/** Where the tasks come from. */
import { Tabs } from "radix-ui";
import { Button } from "@/ui/Button";
import { TextField } from "@/ui/Field";
import { count } from "@/ui/format";
import { type Draft, EMPTY, type Errors, SOURCES, type Source } from "./draft";
import { Editor } from "./Editor";
import { FileSource } from "./FileSource";
import { readItems, readObject } from "./json";
import { combinations } from "./matrix";
import { CHECKED_MAX } from "./schema/check";
import { exampleOf, withItem } from "./schema/example";
import type { Schema } from "./schema/schema";
import type { Input } from "./schema/useInput";

interface Props {
  draft: Draft;
  errors: Errors;
  set: (part: Partial<Draft>) => void;
  input: Input;
}

const NAMES: Record<Source, string> = { items: "Items", count: "Count", matrix: "Matrix", file: "File" };

const TAB =
  "rounded-[5px] px-3 py-1 text-[13px] font-medium text-muted hover:text-text data-[state=active]:bg-panel data-[state=active]:text-text data-[state=active]:shadow-sm";

function hintOf(items: number, checked: boolean): string {
  const tasks = `${count(items)} tasks, one an item`;
  if (!checked) return tasks;
  return items > CHECKED_MAX
    ? `${tasks}; the first ${count(CHECKED_MAX)} are of the form that the handler takes`
    : `${tasks}, of the form that the handler takes`;
}

function Example({ draft, schema, set }: { draft: Draft; schema: Schema; set: Props["set"] }) {
  const item = exampleOf(schema);
  // What the form begins with is nobody's own.
  const text = draft.items === EMPTY.items ? "" : draft.items;
  const items = withItem(text, item);
  return (
    <Button disabled={items === null} onClick={() => items !== null && set({ items })}>
      Insert an example item
    </Button>
  );
}

function Items({ draft, errors, set, input }: Props) {
  const { value } = readItems(draft.items);
  const { schema, refused } = input;
  return (
    <div className="space-y-2">
      <Editor
        label="Items"
        value={draft.items}
        errors={errors.items ?? refused}
        rows={12}
        hint={value ? hintOf(value.length, schema !== undefined) : undefined}
        onChange={(items) => set({ items })}
      />
      {schema && <Example draft={draft} schema={schema} set={set} />}
      {refused.length > 0 && (
        <label className="flex items-center gap-2 text-[13px]">
          <input
            type="checkbox"
            checked={draft.anyway}
            onChange={(event) => set({ anyway: event.target.checked })}
          />
          Submit them all the same: the worker checks each by itself, and may take what looks wrong here
        </label>
      )}
    </div>
  );
}

function MatrixSource({ draft, errors, set }: Props) {
  const { value } = readObject(draft.matrix);
  const product = value ? combinations(value) : null;
  const hint =
    typeof product === "number" ? `${count(product)} combinations before exclude and include` : undefined;
  return (
    <div className="space-y-3">
      <Editor
        label="Axes"
        value={draft.matrix}
        errors={errors.matrix}
        rows={6}
        hint={hint}
        onChange={(matrix) => set({ matrix })}
      />
      <details className="text-[13px]">
        <summary className="text-muted hover:text-text">Exclude and include</summary>
        <div className="mt-2 grid gap-3 sm:grid-cols-2">
          <Editor
            label="Exclude"
            value={draft.exclude}
            errors={errors.exclude}
            rows={4}
            hint='As [{"lr": 0.1, "seed": 3}]'
            onChange={(exclude) => set({ exclude })}
          />
          <Editor
            label="Include"
            value={draft.include}
            errors={errors.include}
            rows={4}
            hint="Whole inputs, one more task each"
            onChange={(include) => set({ include })}
          />
        </div>
      </details>
    </div>
  );
}

/** A tab for each source. */
export function SourceTabs(props: Props) {
  const { draft, errors, set } = props;
  return (
    <Tabs.Root value={draft.source} onValueChange={(source) => set({ source: source as Source })}>
      <Tabs.List aria-label="Tasks from" className="mb-3 inline-flex gap-0.5 rounded-md bg-sunken p-0.5">
        {SOURCES.map((source) => (
          <Tabs.Trigger key={source} value={source} className={TAB}>
            {NAMES[source]}
          </Tabs.Trigger>
        ))}
      </Tabs.List>
      <Tabs.Content value="items">
        <Items {...props} />
      </Tabs.Content>
      <Tabs.Content value="count">
        <TextField
          label="Number of tasks"
          inputMode="numeric"
          className="max-w-40"
          value={draft.count}
          error={errors.count?.[0]?.message}
          hint="Tasks that know only their index; 1,000,000 at most"
          onChange={(value) => set({ count: value })}
        />
      </Tabs.Content>
      <Tabs.Content value="matrix">
        <MatrixSource {...props} />
      </Tabs.Content>
      <Tabs.Content value="file">
        <FileSource {...props} />
      </Tabs.Content>
    </Tabs.Root>
  );
}
