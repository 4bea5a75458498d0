"""The outbox: send what is still there 60 s after it was due, in order of minutes, from a cursor."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from orchestrator.model.items import Job, Outbox
from orchestrator.model.states import JobState, TaskState
from orchestrator.service.enqueue import send_range
from orchestrator.service.messages import send_again
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
        for item in items:
            if seconds_left() <= 0:
                return handled
            _handle_safely(deps, item)
            handled += 1
        if len(items) < ITEMS_A_READ:
            minute += 1
            deps.store.put_sweep_minute(minute)
    return handled


def _handle_safely(deps: Deps, item: Outbox) -> None:
    """Handle an item; one that cannot be is filed again for later, so that it stops nobody."""
    try:
        _handle(deps, item)
    except Exception as error:
        deps.journal.event(
            "sweep.set_aside", kind="outbox", job_id=item.job_id, error=repr(error)[:500]
        )
        deps.journal.count("SweepSetAside")
        deps.store.put_outbox([replace(item, due_at=deps.now())])
    deps.store.delete_outbox([item])


def _handle(deps: Deps, item: Outbox) -> None:
    job = deps.store.get_job(item.job_id)
    if job is None or job.gen != item.gen or job.state.final or job.state is JobState.STOPPING:
        return
    if item.kind == "range":
        if job.cursor >= item.stop:
            send_range(deps, job, item.start, item.stop, _RESENT_WINDOW)
        elif job.cursor == item.start:
            return  # The cursor was never advanced: the next enqueuer sends this range.
    else:
        _handle_retry(deps, job, item)


def _handle_retry(deps: Deps, job: Job, item: Outbox) -> None:
    """Send a retry whose row says so; wait for a row that is behind; drop what is overtaken."""
    row = deps.store.get_tasks(job.job_id, [item.start]).get(item.start)
    if row is None or (row.gen == item.gen and row.attempt < item.attempt):
        deps.store.put_outbox([replace(item, due_at=deps.now())])
    elif (row.gen, row.attempt, row.state) == (item.gen, item.attempt, TaskState.RETRYING):
        send_again(deps, job, [([item.start], item.attempt, 0)])
        deps.journal.event(
            "retry.sent_by_sweep", job_id=job.job_id, tenant=job.tenant, index=item.start
        )
