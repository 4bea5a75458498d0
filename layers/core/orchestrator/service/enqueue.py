"""EnqueueTasks: keep a window of tasks in the queue. Outbox, cursor, send, outbox away: in this order."""

from __future__ import annotations

from collections.abc import Callable

from orchestrator.model.items import Job, Outbox
from orchestrator.model.states import JobState
from orchestrator.policy import Policy, tasks_per_message
from orchestrator.service.commit import ASK_TIMEOUT, backlog_of, expiry
from orchestrator.service.messages import send_tasks
from orchestrator.service.plan import current_job
from orchestrator.service.ports import Deps, JobChanges, JobGuard
from orchestrator.service.priority import held_back, wake_lower
from orchestrator.service.selection import attempts_of, selection_of

STEP_TASKS = 1_000
"""Tasks between two writes of the cursor: what a crash may send twice, four leaves."""
STOP_SECONDS = 10.0
"""A step begins only while the Lambda has this long to live."""


def enqueue_tasks(
    deps: Deps,
    job_id: str,
    gen: int,
    *,
    seconds_left: Callable[[], float],
    in_machine: bool,
) -> dict[str, int]:
    """Send tasks until the window is full; return the cursor. Raises Superseded and SendFailed.

    A job that must wait for one of a higher priority sends none; one that has none left wakes lower ones.
    Outside the machine only while PROCESSING: before, leaves may not be open and reports would be stale.
    """
    job = current_job(deps, job_id, gen)
    allowed = frozenset({JobState.PROCESSING} | ({JobState.ENQUEUING} if in_machine else set()))
    root, policy, sent = deps.store.get_root(job_id), Policy.load(job.policy), 0
    shut = not _may_send(deps, job, allowed)
    while not shut and job.state in allowed and seconds_left() > STOP_SECONDS:
        backlog = backlog_of(job, root, policy, deps.now())
        room = min(backlog.window - backlog.outstanding, backlog.unsent)
        if room <= 0:
            _clear_asked(deps, job)
            break
        moved = _send_step(deps, job, room, allowed, backlog.window)
        if moved is None:
            break
        job, sent = moved, sent + moved.cursor - job.cursor
    if job.state not in allowed or not job.unsent:
        wake_lower(deps, job)
    deps.journal.event(
        "tasks.enqueued", job_id=job_id, tenant=job.tenant, gen=gen, sent=sent, cursor=job.cursor
    )
    return {"cursor": job.cursor}


def _may_send(deps: Deps, job: Job, allowed: frozenset[JobState]) -> bool:
    """Tell whether a job has unsent tasks and may send them now."""
    if job.state not in allowed or not job.unsent:
        return False
    if job.opens_at is not None and deps.now() < job.opens_at:
        return False
    return not held_back(deps, job)


def _clear_asked(deps: Deps, job: Job) -> None:
    """Nothing was sent, so that no cursor tells that this enqueuer has been: the next report may ask anew."""
    if job.asked_until is not None:
        guard = JobGuard(gen=job.gen, cursor=job.cursor)
        deps.store.update_job(job.job_id, guard, asked_until=None, expires_at=expiry(deps))


def _send_step(
    deps: Deps, job: Job, room: int, allowed: frozenset[JobState], window: int
) -> Job | None:
    """Send the next tasks, of `room`; None where another enqueuer moved the cursor first.

    Until the last step reports need not ask for another enqueuer.
    """
    size = min(room, STEP_TASKS)
    item = range_outbox(deps, job, job.cursor, job.cursor + size)
    deps.store.put_outbox([item])
    changes = JobChanges(
        cursor=item.stop,
        asked_until=deps.now() + ASK_TIMEOUT if size < room else None,
        expires_at=expiry(deps),
    )
    if job.held_until is not None:
        changes["held_until"] = None
    if size == job.unsent:
        changes["unsent_of"] = None
    moved = deps.store.update_job(
        job.job_id, JobGuard(gen=job.gen, cursor=job.cursor, states=allowed), **changes
    )
    if moved is None:
        return None  # The outbox item may be the winner's: leave it to him, or to the sweep.
    send_range(deps, moved, item.start, item.stop, window)
    deps.store.delete_outbox([item])
    return moved


def range_outbox(deps: Deps, job: Job, start: int, stop: int) -> Outbox:
    """Return the outbox item of the chosen tasks at positions [start, stop)."""
    return Outbox(
        job_id=job.job_id,
        gen=job.gen,
        kind="range",
        start=start,
        stop=stop,
        attempt=0,
        due_at=deps.now(),
        expires_at=expiry(deps),
    )


def send_range(deps: Deps, job: Job, start: int, stop: int, window: int) -> None:
    """Send the chosen tasks at positions [start, stop)."""
    indexes = selection_of(deps, job).slice(start, stop)
    attempts = attempts_of(deps, job, indexes)
    send_tasks(deps, job, attempts, tasks_per_message(Policy.load(job.policy), window))
