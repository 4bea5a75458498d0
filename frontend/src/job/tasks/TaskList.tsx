/** A list of any number of tasks of which only what is in view is in the page. */
import { useWindowVirtualizer } from "@tanstack/react-virtual";
import { useEffect, useRef } from "react";
import type { Task } from "@/api/tasks";
import { count } from "@/ui/format";
import { COLUMNS, TaskRow } from "./TaskRow";

const ROW_PIXELS = 37;
const AHEAD = 30;

interface Props {
  tasks: Task[];
  complete: boolean;
  more: () => void;
}

function Head() {
  return (
    <div role="row" className={`${COLUMNS} border-b border-line py-1.5 text-xs font-medium text-muted`}>
      <span role="columnheader" className="text-right">
        Index
      </span>
      <span role="columnheader">State</span>
      <span role="columnheader">Input, error</span>
      <span role="columnheader" className="text-right max-sm:hidden">
        Attempt
      </span>
      <span role="columnheader" className="text-right max-sm:hidden">
        Took
      </span>
      <span role="columnheader" className="max-lg:hidden">
        Worker
      </span>
    </div>
  );
}

/** The list; it asks for `more` before its end comes into view. */
export function TaskList({ tasks, complete, more }: Props) {
  const place = useRef<HTMLDivElement>(null);
  const rows = useWindowVirtualizer({
    count: tasks.length,
    estimateSize: () => ROW_PIXELS,
    overscan: 12,
    scrollMargin: place.current?.offsetTop ?? 0,
  });
  const items = rows.getVirtualItems();
  const last = items.at(-1)?.index ?? 0;
  useEffect(() => {
    if (last >= tasks.length - AHEAD) more();
  }, [last, tasks.length, more]);
  return (
    <>
      <div role="table" aria-label="Tasks" aria-rowcount={complete ? tasks.length + 1 : -1}>
        <div role="rowgroup">
          <Head />
        </div>
        <div ref={place} role="rowgroup" className="relative" style={{ height: rows.getTotalSize() }}>
          {items.map((item) => {
            const task = tasks[item.index];
            const top = item.start - rows.options.scrollMargin;
            return task && <TaskRow key={task.task_id} task={task} top={top} row={item.index + 2} />;
          })}
        </div>
      </div>
      <p role="status" className="px-4 py-2 text-xs text-muted">
        {complete ? `${count(tasks.length)} tasks` : `${count(tasks.length)} tasks so far; scroll for more`}
      </p>
    </>
  );
}
