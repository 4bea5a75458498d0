/** One worker. */
import { Link } from "@tanstack/react-router";
import type { Worker, WorkerTask } from "@/api/workers";
import { count, percent } from "@/ui/format";
import { Panel } from "@/ui/Panel";
import { Ago, Lasting } from "@/ui/Time";

function Running({ task }: { task: WorkerTask }) {
  return (
    <li className="flex flex-wrap items-center justify-between gap-x-4 gap-y-1 px-4 py-1.5 text-[13px]">
      <Link
        to="/tasks/$taskId"
        params={{ taskId: task.task_id }}
        className="code text-accent hover:underline"
      >
        {task.task_id}
      </Link>
      <span className="flex items-center gap-3 text-muted">
        {task.progress !== null && <span className="tabular">{percent(task.progress)}</span>}
        <span>
          attempt {task.attempt}, lease held for <Lasting from={task.started_at} to={null} />
        </span>
      </span>
    </li>
  );
}

function Slots({ worker }: { worker: Worker }) {
  const shown = Math.min(worker.slots, 32);
  return (
    <span
      role="img"
      aria-label={`${worker.running} of ${worker.slots} slots busy`}
      className="flex items-center gap-0.5"
    >
      {[...Array(shown).keys()].map((slot) => (
        <span
          key={slot}
          className={`h-3 w-1.5 rounded-[1px] ${slot < worker.running ? "bg-s-running" : "bg-s-pending"}`}
        />
      ))}
      <span className="tabular ml-1.5 text-xs text-muted">
        {count(worker.running)}/{count(worker.slots)}
      </span>
    </span>
  );
}

function Handlers({ worker }: { worker: Worker }) {
  return (
    <p className="flex flex-wrap gap-1 px-4 pb-3">
      {worker.handlers.map((handler) => (
        <Link
          key={handler}
          to="/submit"
          search={{ handler }}
          title="Submit a job of this handler"
          className="code rounded bg-sunken px-1.5 py-0.5 text-muted hover:text-text"
        >
          {handler}
        </Link>
      ))}
      {worker.unknown_handlers.map((handler) => (
        <span
          key={handler}
          title="Tasks came for a handler that this worker does not have"
          className="code rounded bg-danger-soft px-1.5 py-0.5 text-danger"
        >
          {handler} is missing
        </span>
      ))}
    </p>
  );
}

/** Version, age, handlers, and what it runs. */
export function WorkerPanel({ worker }: { worker: Worker }) {
  return (
    <Panel title={<span className="code">{worker.worker_id}</span>} aside={<Slots worker={worker} />} flush>
      <p className="flex flex-wrap gap-x-4 px-4 pb-2 text-xs text-muted">
        <span>version {worker.version}</span>
        <span>
          alive for <Lasting from={worker.alive_since} to={null} />
        </span>
        <span>
          heard of <Ago at={worker.seen_at} />
        </span>
        {worker.draining && <strong className="font-semibold text-t-retrying">draining</strong>}
      </p>
      <Handlers worker={worker} />
      {worker.tasks.length > 0 && (
        <ul aria-label="What it runs" className="divide-y divide-line border-t border-line">
          {worker.tasks.map((task) => (
            <Running key={task.task_id} task={task} />
          ))}
        </ul>
      )}
      {worker.not_shown > 0 && (
        <p className="border-t border-line px-4 py-1.5 text-xs text-muted">
          {count(worker.not_shown)} more, which your key does not see or which are too many to list
        </p>
      )}
    </Panel>
  );
}
