"""Priority among one tenant's jobs: while a higher one has tasks that were not sent, a lower one sends none.

It is asked for at a refill, by one query of a sparse index: no process schedules, and other tenants are not
looked at. What a held job has in the queue stays there. It is woken when the higher job has sent its last
task or was stopped; where that was lost, the sweep asks again each minute.
"""

from __future__ import annotations

from datetime import timedelta

from orchestrator.model.items import Job
from orchestrator.model.states import JobState
from orchestrator.service.commit import expiry
from orchestrator.service.ports import Deps, JobChanges, JobGuard
from orchestrator.spec import PRIORITY_MAX

HELD = timedelta(seconds=45)
"""Reports do not ask again so long: each would start an enqueuer that finds the job held."""
HELD_CHECK = timedelta(seconds=60)
"""The sweep looks after a held job so often, however idle it is."""
CANDIDATES = 3
"""Entries of the index that are looked at: it is a moment behind, so a job may be listed that is done."""
WOKEN_MAX = 20
_SENDS = frozenset({JobState.ENQUEUING, JobState.PROCESSING})


def held_back(deps: Deps, job: Job) -> bool:
    """Tell whether a job must wait for a higher one; note it then, so that reports need not ask.

    Costs half a read unit, and one for each listed job (of several, the first that is not done ends it).
    """
    higher = _higher(deps, job)
    if higher is None:
        return False
    now = deps.now()
    changes = JobChanges(held_until=now + HELD, expires_at=expiry(deps))
    if job.next_check_at is None or job.next_check_at > now + HELD_CHECK:
        changes["next_check_at"] = now + HELD_CHECK
    deps.store.update_job(job.job_id, JobGuard(gen=job.gen, states=_SENDS), **changes)
    deps.journal.event(
        "job.held", job_id=job.job_id, tenant=job.tenant, gen=job.gen, behind=higher.job_id
    )
    return True


def _higher(deps: Deps, job: Job) -> Job | None:
    if job.priority >= PRIORITY_MAX:
        return None
    for job_id in deps.store.list_unsent(job.tenant, job.priority + 1, PRIORITY_MAX, CANDIDATES):
        other = deps.store.get_job(job_id)
        if other is not None and other.unsent_of is not None:
            return other
    return None


def wake_lower(deps: Deps, job: Job) -> None:
    """Let the tenant's next lower jobs refill, now that this one has nothing more to send."""
    if job.priority == 0:
        return
    listed = deps.store.list_unsent(job.tenant, 0, job.priority - 1, WOKEN_MAX)
    jobs = [other for job_id in listed if (other := deps.store.get_job(job_id)) is not None]
    waiting = [other for other in jobs if other.unsent_of is not None]
    highest = max((other.priority for other in waiting), default=0)
    for other in waiting:
        if other.priority == highest and other.state is JobState.PROCESSING:
            deps.enqueue_later(other.job_id, other.gen)
