/** One task of the list. */
import { Link } from "@tanstack/react-router";
import type { Task } from "@/api/tasks";
import { duration } from "@/ui/format";
import { StateBadge } from "@/ui/StateBadge";

export const COLUMNS =
  "grid grid-cols-[4.5rem_7rem_minmax(0,1fr)_4rem_5rem_12rem] items-center gap-3 px-4 max-lg:grid-cols-[4.5rem_7rem_minmax(0,1fr)_4rem_5rem] max-sm:grid-cols-[3.5rem_6.5rem_minmax(0,1fr)]";

/** What a line can say of a task: its error, else its input. */
export function gist(task: Task): string {
  if (task.error) return `${task.error.type}: ${task.error.message}`;
  return task.input === undefined || task.input === null ? "" : JSON.stringify(task.input);
}

/** Seconds that the last attempt took, or null. */
export function took(task: Task): number | null {
  const last = task.attempts.at(-1);
  return last ? last.duration_ms / 1000 : null;
}

/** A row at `top` pixels of the list. */
export function TaskRow({ task, top, row }: { task: Task; top: number; row: number }) {
  const seconds = took(task);
  return (
    <div
      role="row"
      aria-rowindex={row}
      className={`${COLUMNS} absolute inset-x-0 h-[37px] border-b border-line/60 text-[13px] hover:bg-sunken/60`}
      style={{ transform: `translateY(${top}px)` }}
    >
      <span role="cell" className="tabular text-right">
        <Link
          to="/tasks/$taskId"
          params={{ taskId: task.task_id }}
          className="text-accent after:absolute after:inset-0 hover:underline"
        >
          {task.index}
        </Link>
      </span>
      <span role="cell">
        <StateBadge state={task.state} />
      </span>
      <span
        role="cell"
        className={`code truncate ${task.error ? "text-t-failed" : "text-muted"}`}
        title={gist(task)}
      >
        {gist(task)}
      </span>
      <span role="cell" className="tabular text-right text-muted max-sm:hidden">
        {task.attempt}
      </span>
      <span role="cell" className="tabular text-right text-muted max-sm:hidden">
        {seconds === null ? "–" : duration(seconds)}
      </span>
      <span role="cell" className="code truncate text-muted max-lg:hidden" title={task.worker ?? undefined}>
        {task.worker ?? "–"}
      </span>
    </div>
  );
}
