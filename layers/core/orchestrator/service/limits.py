"""Limits of a tenant: how many jobs it may have active, how many tasks waiting, and how large one job may be.

They keep one tenant's mistake from filling the queue of all. They are looked up in eventually consistent
indexes, so submits at the same moment may pass a limit by as many as they are.
"""

from __future__ import annotations

from orchestrator.errors import FieldError, InvalidField, QuotaExceeded
from orchestrator.model.states import ACTIVE_JOB_STATES
from orchestrator.service.ports import Deps, Limits

COUNTED_MAX = 500
"""Active jobs whose tasks are added up, the newest of each state."""
_AT_ONCE = 50


def check_limits(deps: Deps, tenant: str, tasks: int | None) -> None:
    """Refuse a job of `tasks` more (None: not known yet) where a limit of its tenant would be passed.

    Raises InvalidField where it could never be accepted, QuotaExceeded where it can be later. Reads nothing
    but for the limits that are set: a query for each of the four active states, and the jobs by batch.
    """
    limits = deps.limits
    if tasks is not None:
        _check_size(limits, tasks)
    active = _active_jobs(deps, tenant) if limits.active_jobs or limits.queued_tasks else []
    if limits.active_jobs and len(active) >= limits.active_jobs:
        raise QuotaExceeded(
            f"the tenant has {limits.active_jobs} or more active jobs, the most that it may have",
            action="Wait until one of them has ended, or cancel one; then send the request again.",
        )
    if limits.queued_tasks and tasks is not None:
        _check_queued(deps, limits.queued_tasks, active, tasks)


def _check_size(limits: Limits, tasks: int) -> None:
    if tasks > limits.tasks_per_job:
        raise _too_large(tasks, limits.tasks_per_job, "a job may have at most {} tasks here")
    if limits.queued_tasks and tasks > limits.queued_tasks:
        raise _too_large(
            tasks, limits.queued_tasks, "a tenant may have at most {} tasks waiting, over all jobs"
        )


def _too_large(tasks: int, limit: int, rule: str) -> InvalidField:
    rule = rule.format(f"{limit:,}")
    return InvalidField(
        f"tasks: {rule}, and these are {tasks:,}",
        action="Submit several smaller jobs, one after the other.",
        fields=[FieldError("tasks", rule, str(tasks))],
    )


def _active_jobs(deps: Deps, tenant: str) -> list[str]:
    """List the tenant's active jobs, no more than it takes to judge."""
    most = max(deps.limits.active_jobs, COUNTED_MAX if deps.limits.queued_tasks else 0)
    return [
        job_id
        for state in sorted(ACTIVE_JOB_STATES)
        for job_id in deps.store.list_job_ids(tenant, state, most, None)
    ]


def _check_queued(deps: Deps, limit: int, active: list[str], tasks: int) -> None:
    """Add up what has not ended of the active jobs, until it is too much."""
    free = limit - tasks
    for start in range(0, min(len(active), COUNTED_MAX), _AT_ONCE):
        for job, root in deps.store.get_jobs_and_roots(active[start : start + _AT_ONCE]):
            if not job.state.final:
                free -= (job.total or 0) - root.tally().finals
        if free < 0:
            raise QuotaExceeded(
                f"the tenant's jobs have so many tasks waiting that {tasks:,} more would pass the "
                f"limit of {limit:,}",
                action="Wait until enough of them have ended; then send the request again.",
            )
