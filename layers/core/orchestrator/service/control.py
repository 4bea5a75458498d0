"""Cancel and retry a job."""

from __future__ import annotations

from datetime import datetime, timedelta

from orchestrator.errors import Conflict, cut
from orchestrator.model.items import Job, Role
from orchestrator.model.progress import Root
from orchestrator.model.states import (
    FINAL_JOB_STATES,
    JobEvent,
    JobState,
    StopReason,
    state_after,
)
from orchestrator.model.timeline import TimelineEvent, TimelineKind, kept_at_retry
from orchestrator.policy import Policy
from orchestrator.service.access import Caller, own_job, require
from orchestrator.service.choose import choose_tasks
from orchestrator.service.commit import expiry, stop_job
from orchestrator.service.limits import check_limits
from orchestrator.service.ports import Deps, JobGuard
from orchestrator.service.selection import put_selection
from orchestrator.service.submit import FIRST_CHECK, reserve_key
from orchestrator.service.views import JobOut, job_view
from orchestrator.spec import RetryJobIn

STOPPED_AFTER = timedelta(seconds=60)
"""A handler has ended so long after its job was stopped: a heartbeat (15 s) tells its worker, which waits
30 s, kills it and insists after 2 s (worker.pool)."""


def cancel_job(deps: Deps, caller: Caller, job_id: str) -> JobOut:
    """Tell a job to stop: one write at any size. Raises Forbidden, NotFound, Conflict where final."""
    require(caller, Role.SUBMITTER)
    job, root = own_job(deps, caller, job_id)
    if not job.state.final and job.state is not JobState.STOPPING:
        stop_job(deps, job_id, job.gen, StopReason.CANCEL, caller.key_id)
        job, root = own_job(deps, caller, job_id)
    if job.state.final:
        raise Conflict(f"the job is {job.state} already", action="There is nothing to cancel.")
    return job_view(job, root, deps.now())


def retry_job(
    deps: Deps,
    caller: Caller,
    job_id: str,
    body: RetryJobIn,
    *,
    idempotency_key: str | None,
    request_id: str,
) -> JobOut:
    """Reopen a final job for tasks that did not succeed: all, the FAILED, those listed, or by error type.

    Raises Forbidden, NotFound, Conflict (not final, nothing to retry), IdempotencyConflict, InvalidField,
    QuotaExceeded.
    """
    require(caller, Role.SUBMITTER)
    job, root = own_job(deps, caller, job_id)
    if idempotency_key is not None:
        text = f"retry {job_id} {body.model_dump_json(exclude_none=True)}"
        idem = reserve_key(deps, caller, idempotency_key, text, job_id, from_gen=job.gen)
        if idem.from_gen < job.gen:
            return _retried_before(deps, job, root)
    if not job.state.final:
        raise Conflict(f"the job is {job.state}", action="Retry it when it has ended.")
    chosen = _choose(deps, job, root, body)
    reopened = _reopen(deps, job, chosen, caller.key_id)
    if reopened is None and idempotency_key is not None:
        return _retried_before(deps, *own_job(deps, caller, job_id))
    if reopened is None:
        raise Conflict("the job was retried by another request", action="Read the job again.")
    deps.journal.event(
        "job.retried",
        job_id=job_id,
        tenant=job.tenant,
        gen=reopened.gen,
        chosen=len(chosen),
        request_id=request_id,
    )
    deps.machine.start(job_id, reopened.gen, reopened.exec)
    return job_view(reopened, root, deps.now())


def _choose(deps: Deps, job: Job, root: Root, body: RetryJobIn) -> list[int]:
    """Return the tasks to retry. Raises Conflict where there are none, and what limits do."""
    chosen = choose_tasks(deps, job, root, body)
    if not chosen:
        raise _nothing_to_retry(body)
    check_limits(deps, job.tenant, len(chosen))
    return chosen


def _retried_before(deps: Deps, job: Job, root: Root) -> JobOut:
    """Answer a repeated request, whose first copy may have died before it started the execution."""
    if job.state is JobState.CREATED:
        deps.machine.start(job.job_id, job.gen, job.exec)
    return job_view(job, root, deps.now())


def _nothing_to_retry(body: RetryJobIn) -> Conflict:
    if body.error_types is not None:
        why = f"no FAILED task's last error is {' or '.join(body.error_types)}"
        return Conflict(
            cut(why, 200), action="Compare with `error.type` of the job's FAILED tasks."
        )
    if body.tasks == "failed":
        action = 'Send {"tasks": "not_succeeded"} to take CANCELLED and SKIPPED tasks too.'
        return Conflict("no task is FAILED", action=action)
    return Conflict("no task is to be retried", action="Only tasks that did not succeed can be.")


def _reopen(deps: Deps, job: Job, chosen: list[int], by: str) -> Job | None:
    """Write the selection, then move the job to its next generation by one write."""
    gen, now = job.gen + 1, deps.now()
    reopen_ref = f"jobs/{job.job_id}/reopen/{gen}-{deps.new_id()}"
    put_selection(deps, reopen_ref, chosen)
    opens_at = _opens_at(job, now)
    retried = TimelineEvent(
        gen=gen,
        what=TimelineKind.RETRIED,
        at=now,
        state=state_after(JobEvent.RETRIED),
        by=by,
        tasks=len(chosen),
    )
    return deps.store.update_job(
        job.job_id,
        JobGuard(gen=job.gen, states=FINAL_JOB_STATES),
        state=state_after(JobEvent.RETRIED),
        state_reason=None,
        stop=None,
        gen=gen,
        exec=1,
        cursor=0,
        base_finals=(job.total or 0) - len(chosen),
        reopen_ref=reopen_ref,
        token=None,
        final_counts=None,
        started_at=None,
        finished_at=None,
        deadline_at=_deadline(job, now),
        opens_at=opens_at,
        next_check_at=opens_at or now + FIRST_CHECK,
        checks=0,
        events=(*kept_at_retry(job.events), retried),
        expires_at=expiry(deps),
    )


def _opens_at(job: Job, now: datetime) -> datetime | None:
    """Return until when a capped job waits for handlers of its generation that were told to stop."""
    if job.max_running is None or job.stop is None:
        return None
    opens_at = job.stop.at + STOPPED_AFTER
    return opens_at if opens_at > now else None


def _deadline(job: Job, now: datetime) -> datetime | None:
    limit = Policy.load(job.policy).deadline_seconds
    return now + timedelta(seconds=limit) if limit is not None else None
