"""Reports that no worker makes: of tasks that took their workers down, or never got to an end."""

from __future__ import annotations

from orchestrator.model.items import Job
from orchestrator.model.states import Outcome
from orchestrator.model.wire import Report, TaskError
from orchestrator.policy import ERROR_TYPE_OF
from orchestrator.service.ports import Deps


def worker_lost(deps: Deps, job: Job, index: int, attempt: int, losses: int) -> Report:
    """Return the report that ends a task whose workers were lost `losses` times."""
    workers = f"{losses} workers were" if losses > 1 else "1 worker was"
    why = (
        f"{workers} lost while running this task; it is not tried again, since it may be the cause"
    )
    return _unfinished(deps, job, index, attempt, Outcome.WORKER_LOST, why)


def interrupted(deps: Deps, job: Job, index: int, attempt: int, times: int) -> Report:
    """Return the report that ends a task that shutdowns interrupted `times` times in one attempt."""
    why = (
        f"interrupted {times} time{'s' if times > 1 else ''} by shutdowns of workers before it ended; "
        "make the task shorter, or let it go on from where it was"
    )
    return _unfinished(deps, job, index, attempt, Outcome.INTERRUPTED, why)


def dead(deps: Deps, job: Job, index: int, attempt: int) -> Report:
    """Return the report that ends a task whose message the queue gave up."""
    why = (
        "the queue gave this task's message up after many deliveries: workers were lost while running "
        "it, or none could run it (no such handler, inputs that cannot be reached)"
    )
    return _unfinished(deps, job, index, attempt, Outcome.WORKER_LOST, why, type="DeadLetter")


def _unfinished(
    deps: Deps,
    job: Job,
    index: int,
    attempt: int,
    outcome: Outcome,
    why: str,
    *,
    type: str | None = None,
) -> Report:
    return Report(
        job=job.job_id,
        gen=job.gen,
        index=index,
        attempt=attempt,
        run_id=deps.new_id(),
        outcome=outcome,
        error=TaskError(type=type or ERROR_TYPE_OF[outcome], message=why, retryable=False),
    )
