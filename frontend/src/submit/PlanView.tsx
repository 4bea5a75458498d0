/** The answer of a dry run. */
import type { Plan } from "@/api/submit";
import { count, dollars, duration } from "@/ui/format";
import { Json } from "@/ui/Json";
import { Notice } from "@/ui/States";

const TOTALS: Record<Plan["total_is"], string> = { exact: "", estimate: "about ", at_least: "at least " };

function BadLines({ plan }: { plan: Plan }) {
  if (plan.bad_line_count === 0) return null;
  return (
    <div className="text-[13px]">
      <p className="font-medium text-danger">
        {plan.bad_lines_all_read ? "" : "At least "}
        {count(plan.bad_line_count)} bad lines
      </p>
      <ul className="code mt-1 max-h-40 overflow-auto rounded-md bg-danger-soft p-2">
        {plan.bad_lines.map((bad) => (
          <li key={bad.line}>
            line {bad.line}: {bad.rule} <span className="text-muted">{bad.seen}</span>
          </li>
        ))}
      </ul>
    </div>
  );
}

function Limits({ plan }: { plan: Plan }) {
  if (plan.limits.length === 0) return null;
  return (
    <ul className="space-y-1 text-[13px]">
      {plan.limits.map((limit) => (
        <li key={limit.limit}>
          <span className="font-medium">{limit.limit.replaceAll("_", " ")}</span>: {count(limit.would_be)} of{" "}
          {count(limit.value)}. <span className="text-muted">{limit.then}</span>
        </li>
      ))}
    </ul>
  );
}

/** Total, estimate, five tasks, and what is in the way. */
export function PlanView({ plan }: { plan: Plan }) {
  return (
    <div className="space-y-3">
      {plan.problem && <Notice>{plan.problem}</Notice>}
      <p className="text-[13px]">
        <strong className="text-lg font-semibold">
          {TOTALS[plan.total_is]}
          {count(plan.total)} tasks
        </strong>{" "}
        <span className="text-muted">
          in {duration(plan.minutes.total * 60)} or more, for about {dollars(plan.dollars.total)} of requests
          (list prices of {plan.dollars.region}, {plan.dollars.prices_as_of})
        </span>
      </p>
      <BadLines plan={plan} />
      <Limits plan={plan} />
      <Json label="Some of the tasks" value={plan.tasks} />
    </div>
  );
}
