/** What is known of a task. */
import type { ReactNode } from "react";
import type { Task } from "@/api/tasks";
import { OutLink } from "@/ui/Button";
import { percent } from "@/ui/format";
import { Json } from "@/ui/Json";
import { Panel } from "@/ui/Panel";
import { Ago, Instant, Lasting } from "@/ui/Time";
import { Attempts } from "./Attempts";
import { ErrorPanel } from "./ErrorPanel";

function Fact({ name, children }: { name: string; children: ReactNode }) {
  return (
    <div className="min-w-24">
      <dt className="text-xs text-muted">{name}</dt>
      <dd className="text-[13px] font-medium break-all">{children}</dd>
    </div>
  );
}

function Progress({ share }: { share: number }) {
  return (
    <span className="flex items-center gap-2">
      <progress value={share} max={1} aria-label="Progress" className="h-1.5 w-28 accent-accent" />
      {percent(share)}
    </span>
  );
}

function Facts({ task }: { task: Task }) {
  return (
    <dl className="flex flex-wrap gap-x-8 gap-y-3 rounded-lg border border-line bg-panel px-4 py-3">
      <Fact name="Attempt">{task.attempt}</Fact>
      {task.worker && (
        <Fact name="Worker">
          <span className="code">{task.worker}</span>
        </Fact>
      )}
      {task.started_at && (
        <Fact name="Started">
          <Instant at={task.started_at} />
        </Fact>
      )}
      {task.started_at && (
        <Fact name={task.finished_at ? "From start to end" : "Running for"}>
          <Lasting from={task.started_at} to={task.finished_at ?? null} />
        </Fact>
      )}
      {task.finished_at && (
        <Fact name="Ended">
          <Ago at={task.finished_at} />
        </Fact>
      )}
      {task.due_at && (
        <Fact name="Next attempt at">
          <Instant at={task.due_at} />
        </Fact>
      )}
      {typeof task.progress === "number" && (
        <Fact name="Progress">
          <Progress share={task.progress} />
        </Fact>
      )}
    </dl>
  );
}

function Result({ task }: { task: Task }) {
  if (task.result_url) {
    return (
      <p className="text-[13px] text-muted">
        The result is large. <OutLink href={task.result_url}>Download it</OutLink>
      </p>
    );
  }
  if (task.state !== "SUCCEEDED") return <p className="text-[13px] text-muted">There is none.</p>;
  return <Json label="Result" value={task.result ?? null} />;
}

/** Facts, error, attempts, input and result. */
export function TaskBody({ task }: { task: Task }) {
  return (
    <div className="space-y-4">
      <Facts task={task} />
      {task.error && <ErrorPanel error={task.error} />}
      <Attempts task={task} />
      <div className="grid grid-cols-1 gap-4 lg:grid-cols-2">
        <Panel title="Input">
          <Json label="Input" value={task.input ?? null} />
        </Panel>
        <Panel title="Result">
          <Result task={task} />
        </Panel>
      </div>
    </div>
  );
}
