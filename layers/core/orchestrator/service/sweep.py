"""The sweep, each minute: jobs whose machine died, tokens lost, deadlines, and the outbox.

Bounded by time, goes on from its cursor, and sets a bad item aside instead of stopping at it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

from orchestrator.model.ids import nodes_of
from orchestrator.model.items import Job
from orchestrator.model.states import ACTIVE_JOB_STATES, JobState, StopReason
from orchestrator.model.timeline import TimelineEvent, TimelineKind
from orchestrator.policy import Policy
from orchestrator.service.commit import judge_job, push_again, refill_due, send_token, stop_job
from orchestrator.service.outbox import sweep_outbox
from orchestrator.service.ports import Deps, JobChanges, JobGuard
from orchestrator.service.resend import resend_unsettled
from orchestrator.service.workers import sweep_workers

CHECK_SECONDS = 60
CHECK_MAX_SECONDS = 300
EXECUTIONS_MAX = 6
"""The first execution of a generation and five restarts; one more only finishes (PROTOCOL)."""
IDLE_CHECKS = 3
"""Checks without progress (60 + 120 + 240 s) after which a running execution without a token is dead."""
JOBS_A_SWEEP = 200
_RESEND_MARGIN = timedelta(days=1)


def sweep(deps: Deps, seconds_left: Callable[[], float]) -> dict[str, int]:
    """Look after due jobs and due outbox items until the time is up; return how many were handled."""
    checked = 0
    for job_id in deps.store.list_due_jobs(deps.now(), JOBS_A_SWEEP):
        if seconds_left() <= 0:
            break
        try:
            checked += _check(deps, job_id)
        except Exception as error:
            set_aside(deps, "job", job_id, error)
    sent = sweep_outbox(deps, seconds_left)
    gone = _clear_workers(deps, seconds_left)
    deps.journal.event("sweep.finished", jobs=checked, outbox=sent, workers=gone)
    deps.journal.count("SweepFinished")
    return {"jobs": checked, "outbox": sent, "workers": gone}


def _clear_workers(deps: Deps, seconds_left: Callable[[], float]) -> int:
    """Delete rows of workers that are gone; jobs do not depend on it, so a failure is only told."""
    try:
        return sweep_workers(deps, seconds_left)
    except Exception as error:
        set_aside(deps, "workers", "", error)
        return 0


def set_aside(deps: Deps, kind: str, job_id: str, error: Exception) -> None:
    """Say that one item could not be handled; the next sweep tries it again."""
    deps.journal.event("sweep.set_aside", kind=kind, job_id=job_id, error=repr(error)[:500])
    deps.journal.count("SweepSetAside")


def _check(deps: Deps, job_id: str) -> int:
    """Look after one job, if no other sweep does."""
    job = deps.store.get_job(job_id)
    if job is None or job.state.final or job.next_check_at is None:
        return 0
    root, now = deps.store.get_root(job_id), deps.now()
    interval = min(CHECK_SECONDS * 2**job.checks, CHECK_MAX_SECONDS)
    moved = root.pushed_at is not None and now - root.pushed_at < timedelta(seconds=interval)
    checks = 0 if moved else job.checks + 1
    pause = CHECK_SECONDS if job.held_until else min(CHECK_SECONDS * 2**checks, CHECK_MAX_SECONDS)
    next_check_at = now + timedelta(seconds=pause)
    if job.deadline_at is not None and job.deadline_at > now:
        next_check_at = min(next_check_at, job.deadline_at)
    mine = deps.store.update_job(
        job_id,
        JobGuard(gen=job.gen, states=ACTIVE_JOB_STATES, next_check_at=job.next_check_at),
        next_check_at=next_check_at,
        checks=min(checks, 10),
    )
    if mine is None:
        return 0
    if _execution_lives(deps, mine):
        _nudge(deps, mine, now)
    return 1


def _execution_lives(deps: Deps, job: Job) -> bool:
    """Start, or restart, the job's execution where it is absent, dead or stuck."""
    status = deps.machine.status(job.job_id, job.gen, job.exec)
    if status is None:
        deps.machine.start(job.job_id, job.gen, job.exec)
        deps.journal.event("job.started_by_sweep", job_id=job.job_id, tenant=job.tenant)
        return False
    if status == "RUNNING" and job.token is None and job.checks >= IDLE_CHECKS:
        deps.machine.stop(job.job_id, job.gen, job.exec, "no progress and no token")
        status = "ABORTED"
    if status != "RUNNING":
        restart(deps, job, status)
        return False
    return True


def restart(deps: Deps, job: Job, status: str) -> None:
    """Give the job a new execution; after too many, stop the job first: the new one only finishes it."""
    exhausted = job.exec >= EXECUTIONS_MAX
    if exhausted and job.state is not JobState.STOPPING:
        stopped = stop_job(deps, job.job_id, job.gen, StopReason.ORCHESTRATION, "sweep")
        job = stopped or job
    again = deps.store.update_job(
        job.job_id,
        JobGuard(gen=job.gen, exec=job.exec, states=ACTIVE_JOB_STATES),
        **_restarted(deps, job, status, CHECK_MAX_SECONDS if exhausted else CHECK_SECONDS),
    )
    if again is None:
        return
    deps.machine.start(again.job_id, again.gen, again.exec)
    deps.journal.event(
        "job.restarted",
        job_id=job.job_id,
        tenant=job.tenant,
        gen=job.gen,
        exec=again.exec,
        status=status,
    )
    deps.journal.count("ExecutionsRestarted")


def _restarted(deps: Deps, job: Job, status: str, check_seconds: int) -> JobChanges:
    """Return what a restart changes. It is told of, but for a job of which only the end is tried again."""
    now = deps.now()
    changes = JobChanges(
        exec=job.exec + 1,
        token=None,
        checks=0,
        next_check_at=now + timedelta(seconds=check_seconds),
    )
    if job.exec <= EXECUTIONS_MAX:
        changes["happened"] = TimelineEvent(
            gen=job.gen,
            what=TimelineKind.RESTARTED,
            at=now,
            state=job.state,
            by="sweep",
            detail=f"execution {job.exec} was {status}",
        )
    return changes


def execution_ended(deps: Deps, job_id: str, gen: int, exec: int, status: str) -> None:
    """Take Step Functions' word that an execution failed, was aborted or timed out."""
    job = deps.store.get_job(job_id)
    if job is None or job.state.final or (job.gen, job.exec) != (gen, exec):
        return
    restart(deps, job, status)


def _nudge(deps: Deps, job: Job, now: datetime) -> None:
    """Do what a lost report, token, timer or message should have done.

    ROOT is read after the job: an older one may be that of the generation before, and complete. A held job
    is asked about as if it were not: nobody else may have told it to go on.
    """
    policy = Policy.load(job.policy)
    if job.state is JobState.STOPPING:
        send_token(deps, job)
    elif job.deadline_at is not None and job.deadline_at <= now:
        stop_job(deps, job.job_id, job.gen, StopReason.DEADLINE, "sweep")
    elif job.state is JobState.PROCESSING:
        root = deps.store.get_root(job.job_id)
        judge_job(deps, job, root)
        if job.held_until is not None:
            job = replace(job, held_until=None)
            if refill_due(job, root, policy, now):
                deps.enqueue_later(job.job_id, job.gen)
        if job.checks:
            push_again(deps, job, nodes_of(job.total or 0))
        silent_since = max(filter(None, (root.pushed_at, job.started_at, job.resent_at)))
        if not refill_due(job, root, policy, now) and (
            now - silent_since >= deps.message_retention - _RESEND_MARGIN
        ):
            resend_unsettled(deps, job, root)
