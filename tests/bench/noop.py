"""The handler of the benches: it does nothing."""

from __future__ import annotations

from worker import Context, Task, handler


@handler("bench.noop")
def noop(task: Task, context: Context) -> int:
    """Return the task's index."""
    return task.index
