"""MonitorJob: leave the task token with the job, and use it at once where the work is done already."""

from __future__ import annotations

from orchestrator.errors import Superseded
from orchestrator.model.items import Job
from orchestrator.model.states import JobEvent, JobState, state_after
from orchestrator.model.timeline import TimelineEvent, TimelineKind
from orchestrator.service.commit import expiry, send_token
from orchestrator.service.plan import current_job
from orchestrator.service.ports import Deps, JobChanges, JobGuard

_TRIES = 5


def monitor_job(deps: Deps, job_id: str, gen: int, exec: int, token: str) -> None:
    """Keep the token if exec and gen are the job's own, and answer it if there is nothing to wait for."""
    try:
        job = _keep_token(deps, job_id, gen, exec, token)
    except Superseded:
        deps.machine.send_success(token, {"stopping": False, "superseded": True})
        deps.journal.event("job.monitor_superseded", job_id=job_id, gen=gen, exec=exec)
        return
    deps.journal.event(
        "job.monitored", job_id=job_id, tenant=job.tenant, gen=gen, exec=exec, state=job.state
    )
    complete = deps.store.get_root(job_id).tally().finals == job.total
    if job.state is JobState.STOPPING or complete:
        send_token(deps, job)


def _keep_token(deps: Deps, job_id: str, gen: int, exec: int, token: str) -> Job:
    """Write the token, with PROCESSING if the job is ENQUEUING; cancel may come between read and write."""
    for _ in range(_TRIES):
        job = current_job(deps, job_id, gen)
        changes = JobChanges(token=token, expires_at=expiry(deps))
        if job.state is JobState.ENQUEUING:
            changes["state"] = state_after(JobEvent.ENQUEUED)
            changes["started_at"] = now = deps.now()
            changes["happened"] = TimelineEvent(
                gen=gen, what=TimelineKind.STARTED, at=now, state=changes["state"]
            )
        guard = JobGuard(gen=gen, exec=exec, states=frozenset({job.state}))
        kept = deps.store.update_job(job_id, guard, **changes)
        if kept is not None:
            return kept
        if job.exec != exec:
            break
    raise Superseded(f"execution {exec} of {job_id} is not the job's own any more")
