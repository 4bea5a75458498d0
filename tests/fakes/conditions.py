"""The conditions of the in-memory store's writes."""

from __future__ import annotations

from orchestrator.model.items import Absent, At, Job, Older, Outbox, TaskRow
from orchestrator.service.fleet_port import WORKER_SHARDS
from orchestrator.service.ports import JobGuard


def guard_holds(job: Job, guard: JobGuard) -> bool:
    """Tell whether a write to JOB is let through."""
    return (
        (guard.gen is None or job.gen == guard.gen)
        and (guard.exec is None or job.exec == guard.exec)
        and (guard.cursor is None or job.cursor == guard.cursor)
        and (guard.states is None or job.state in guard.states)
        and (guard.next_check_at is None or job.next_check_at == guard.next_check_at)
        and not (guard.unplanned and job.plan_ref is not None)
        and (guard.unasked_at is None or not job.is_asked(guard.unasked_at))
    )


def expected(row: TaskRow | None, expect: Absent | At | Older) -> bool:
    """Tell whether a write to a task's row is let through."""
    if isinstance(expect, Absent):
        return row is None
    if isinstance(expect, Older):
        return row is None or row.gen < expect.gen
    same = row is not None and (row.gen, row.attempt) == (expect.gen, expect.attempt)
    return same and row is not None and not row.state.final


def outbox_key(item: Outbox) -> tuple[object, ...]:
    """Return the minute an item is filed under, and all that tells it from others."""
    return (item.minute, item.job_id, item.gen, item.kind, item.start, item.stop, item.attempt)


def worker_order(worker_id: str) -> tuple[int, str]:
    """Return a worker's place in the list: its shard, then its id."""
    return sum(worker_id.encode()) % WORKER_SHARDS, worker_id
