/** Asks what would become of the draft. */
import { useMutation } from "@tanstack/react-query";
import { planMutation } from "@/api/submit";
import { Button } from "@/ui/Button";
import { Panel } from "@/ui/Panel";
import { Notice } from "@/ui/States";
import type { Body } from "./draft";
import { PlanView } from "./PlanView";

/** The panel; an answer is shown as long as it is about this very draft. */
export function DryRun({ body, wrong }: { body: Body; wrong: boolean }) {
  const plan = useMutation(planMutation());
  const current = JSON.stringify(plan.variables) === JSON.stringify(body);
  const ask = (
    <Button disabled={wrong || plan.isPending} onClick={() => plan.mutate(body)}>
      {plan.isPending ? "Asking…" : "Dry run"}
    </Button>
  );
  return (
    <Panel title="Dry run" aside={ask}>
      {current && plan.error && <Notice error={plan.error} />}
      {current && plan.data ? (
        <PlanView plan={plan.data} />
      ) : (
        <p className="text-[13px] text-muted">
          Shows the total, some of the tasks, and an estimate. Nothing is created.
        </p>
      )}
    </Panel>
  );
}
