/** The form, the dry run, and the same as a command. */

import { useMutation } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { type FormEvent, useMemo, useState } from "react";
import { submitMutation } from "@/api/submit";
import { Button } from "@/ui/Button";
import { Copy } from "@/ui/Copy";
import { Panel } from "@/ui/Panel";
import { ScrollText } from "@/ui/Scroll";
import { Notice } from "@/ui/States";
import { curlOf } from "./curl";
import { DryRun } from "./DryRun";
import { type Body, type Draft, readDraft } from "./draft";
import { Names } from "./Names";
import { Rules } from "./Rules";
import { SourceTabs } from "./SourceTabs";
import { SchemaPanel } from "./schema/SchemaPanel";
import { useInput } from "./schema/useInput";

function useSubmit(body: Body) {
  const text = JSON.stringify(body);
  // One key for one body: a repeat, however it comes about, is the same submission.
  // biome-ignore lint/correctness/useExhaustiveDependencies: another body needs another key
  const once = useMemo(() => crypto.randomUUID(), [text]);
  const navigate = useNavigate();
  const submit = useMutation({
    ...submitMutation(),
    onSuccess: (job) => navigate({ to: "/jobs/$jobId", params: { jobId: job.job_id } }),
  });
  return { ...submit, send: () => submit.isPending || submit.mutate({ body, once }) };
}

function Command({ body }: { body: Body }) {
  const command = curlOf(body, location.origin);
  return (
    <Panel title="As a command" aside={<Copy text={command} />}>
      <ScrollText label="The same with curl" className="max-h-56">
        {command}
      </ScrollText>
    </Panel>
  );
}

/** The form; `first` is what it begins with. */
export function SubmitForm({ first }: { first: Draft }) {
  const [draft, setDraft] = useState(first);
  const set = (part: Partial<Draft>) => setDraft((old) => ({ ...old, ...part }));
  const { body, errors } = useMemo(() => readDraft(draft), [draft]);
  const { send, isPending, error } = useSubmit(body);
  const input = useInput(draft);
  const wrong = Object.keys(errors).length > 0 || (input.refused.length > 0 && !draft.anyway);
  const onSubmit = (event: FormEvent) => {
    event.preventDefault();
    if (!wrong) send();
  };
  const parts = { draft, errors, set };
  return (
    <form
      onSubmit={onSubmit}
      className="grid grid-cols-1 items-start gap-4 xl:grid-cols-[minmax(0,3fr)_minmax(0,2fr)]"
    >
      <div className="space-y-4">
        <Panel title="Job">
          <Names {...parts} />
        </Panel>
        {input.schema && <SchemaPanel handler={draft.handler.trim()} schema={input.schema} />}
        <Panel title="Tasks">
          <SourceTabs {...parts} input={input} />
        </Panel>
        <Panel title="Rules">
          <Rules {...parts} />
        </Panel>
      </div>
      <div className="space-y-4 xl:sticky xl:top-16">
        <DryRun body={body} wrong={wrong} />
        <Command body={body} />
        {error && <Notice error={error} />}
        <Button type="submit" kind="primary" className="h-10 w-full" disabled={wrong || isPending}>
          {isPending ? "Submitting…" : "Submit"}
        </Button>
      </div>
    </form>
  );
}
