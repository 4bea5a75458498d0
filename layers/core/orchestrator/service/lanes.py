"""Which lane a job's tasks take: the express one for small jobs, of each tenant only so many at once.

The tenant's other jobs are looked up in eventually consistent indexes, so jobs that are planned at the same
moment may pass the bound together, by as many as they are.
"""

from __future__ import annotations

from orchestrator.model.items import Job
from orchestrator.model.lanes import Lane
from orchestrator.model.states import JobState
from orchestrator.policy import Policy
from orchestrator.service.ports import Deps

TENANT_SHARE = 2
"""A tenant's tasks in the express lane, in sizes of the largest job that may take it."""
LISTED_MAX = 50
"""Jobs of a tenant that are looked at, for each state: who has as many is no small user."""
_COUNTED = (JobState.CREATED, JobState.ENQUEUING, JobState.PROCESSING)
"""A stopped job's messages are dropped as they come."""


def choose_lane(deps: Deps, job: Job) -> Lane:
    """Return the lane of what this generation of a job is to run.

    Of jobs that are new, only older ones are counted, so of many submitted at once the first are express. A
    message of several tasks would hold a slot for long, so a job that wants them is ordinary.
    """
    most = deps.limits.express_tasks
    if job.chosen > most or (Policy.load(job.policy).tasks_per_message or 1) > 1:
        return Lane.ORDINARY
    others = _active_jobs(deps, job)
    if others is None:
        return Lane.ORDINARY
    used = sum(_express_tasks(deps, other) for other, _ in deps.store.get_jobs_and_roots(others))
    return Lane.EXPRESS if used + job.chosen <= TENANT_SHARE * most else Lane.ORDINARY


def _active_jobs(deps: Deps, job: Job) -> list[str] | None:
    """List the tenant's other jobs that are counted; None: too many to look at."""
    before = job.job_id if job.gen == 1 else None
    found: list[str] = []
    for state in _COUNTED:
        listed = deps.store.list_job_ids(job.tenant, state, LISTED_MAX, before)
        if len(listed) == LISTED_MAX:
            return None
        found += [job_id for job_id in listed if job_id != job.job_id]
    return found


def _express_tasks(deps: Deps, job: Job) -> int:
    """Return how many tasks a job has in the express lane, or may come to have there."""
    undecided = job.state is JobState.CREATED and job.chosen <= deps.limits.express_tasks
    return job.chosen if job.lane is Lane.EXPRESS or undecided else 0
