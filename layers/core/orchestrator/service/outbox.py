"""The outbox: send what is still there 60 s after it was due, in order of minutes, from a cursor."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from itertools import batched

from orchestrator.model.items import Job, Outbox, TaskRow
from orchestrator.model.states import JobState, TaskState
from orchestrator.service.enqueue import send_range
from orchestrator.service.messages import Again, send_again
from orchestrator.service.ports import Deps

LOOKBACK_MINUTES = 15
"""Where the first sweep of a deployment begins."""
ITEMS_A_READ = 500
_RESENT_WINDOW = 2_000


def sweep_outbox(deps: Deps, seconds_left: Callable[[], float]) -> int:
    """Handle the due minutes, oldest first; return how many items were handled."""
    due = int(deps.now().timestamp() // 60) - 1
    minute = deps.store.get_sweep_minute() or due - LOOKBACK_MINUTES
    handled = 0
    while minute <= due and seconds_left() > 0:
        items = deps.store.list_outbox(minute, ITEMS_A_READ)
        for group in _by_job(items):
            if seconds_left() <= 0:
                return handled
            _handle_safely(deps, group)
            handled += len(group)
        if len(items) < ITEMS_A_READ:
            minute += 1
            deps.store.put_sweep_minute(minute)
    return handled


def _by_job(items: Iterable[Outbox]) -> Iterable[list[Outbox]]:
    """Group by job and generation, at most 100 together: few requests an item, and short steps."""
    groups: dict[tuple[str, int], list[Outbox]] = {}
    for item in items:
        groups.setdefault((item.job_id, item.gen), []).append(item)
    return (list(part) for group in groups.values() for part in batched(group, 100, strict=False))


def _handle_safely(deps: Deps, items: list[Outbox]) -> None:
    """Handle the items of one job; where that fails, one by one, and file again those that still do.

    What was sent before the failure is sent twice, which is harmless.
    """
    try:
        _handle(deps, items)
    except Exception as error:
        if len(items) > 1:
            for item in items:
                _handle_safely(deps, [item])
            return
        deps.journal.event(
            "sweep.set_aside", kind="outbox", job_id=items[0].job_id, error=repr(error)[:500]
        )
        deps.journal.count("SweepSetAside")
        _file_again(deps, items)
    deps.store.delete_outbox(items)


def _file_again(deps: Deps, items: Iterable[Outbox]) -> None:
    deps.store.put_outbox([replace(item, due_at=deps.now()) for item in items])


def _handle(deps: Deps, items: list[Outbox]) -> None:
    job = deps.store.get_job(items[0].job_id)
    if job is None or job.gen != items[0].gen or job.state.final or job.state is JobState.STOPPING:
        return
    for item in items:
        # Where the cursor was never advanced, the next enqueuer sends this range.
        if item.kind == "range" and job.cursor >= item.stop:
            send_range(deps, job, item.start, item.stop, _RESENT_WINDOW)
    _handle_retries(deps, job, [item for item in items if item.kind == "retry"])


def _handle_retries(deps: Deps, job: Job, items: list[Outbox]) -> None:
    """Send the retries whose rows say so; wait for rows that are behind; drop what is overtaken."""
    rows = deps.store.get_tasks(job.job_id, sorted({item.start for item in items}))
    _file_again(deps, [item for item in items if _is_behind(rows.get(item.start), item)])
    due = [item for item in items if _is_due(deps, rows.get(item.start), item)]
    if not due:
        return
    send_again(deps, job, [Again(indexes=[item.start], attempt=item.attempt) for item in due])
    deps.journal.event(
        "retries.sent_by_sweep",
        job_id=job.job_id,
        tenant=job.tenant,
        tasks=[item.start for item in due],
    )


def _is_behind(row: TaskRow | None, item: Outbox) -> bool:
    """Tell whether the row that this retry belongs to may still be written."""
    return row is None or (row.gen == item.gen and row.attempt < item.attempt)


def _is_due(deps: Deps, row: TaskRow | None, item: Outbox) -> bool:
    """Tell whether the row waits for this retry.

    One that is due later has another outbox item: its report was repeated with another jitter.
    """
    if row is None or row.due_at is None or row.state is not TaskState.RETRYING:
        return False
    return (row.gen, row.attempt) == (item.gen, item.attempt) and row.due_at <= deps.now()
