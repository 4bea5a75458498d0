"""PlanTasks: turn a submission into inputs in S3 and a plan, or find what this generation is to run."""

from __future__ import annotations

from collections.abc import Sequence

from orchestrator.errors import Superseded
from orchestrator.model.items import Job
from orchestrator.model.states import ACTIVE_JOB_STATES, JobEvent, state_after, states_before
from orchestrator.service.commit import expiry
from orchestrator.service.inputs import plan_key, put_part, spec_key
from orchestrator.service.ports import Deps, JobGuard
from orchestrator.service.selection import selection_of
from orchestrator.spec import Plan, SubmitJobIn, write_parts


def current_job(deps: Deps, job_id: str, gen: int) -> Job:
    """Read a job for one of its machine's steps. Raises Superseded where it has moved on."""
    job = deps.store.get_job(job_id)
    if job is None or job.gen != gen or job.state.final:
        raise Superseded(f"{job_id} is no longer in generation {gen}, or has ended")
    return job


def plan_tasks(deps: Deps, job_id: str, gen: int, exec: int) -> dict[str, Sequence[int]]:
    """Return the nodes that hold tasks of this generation. Raises Superseded."""
    job = current_job(deps, job_id, gen)
    plan = _existing_plan(deps, job) or _write_plan(deps, job_id)
    job = _planned(deps, job, plan)
    selection = selection_of(deps, job)
    deps.journal.event(
        "job.planned",
        job_id=job_id,
        tenant=job.tenant,
        gen=gen,
        exec=exec,
        total=plan.total,
        chosen=selection.count,
        request_id=job.request_id,
    )
    return {"nodes": selection.nodes}


def _existing_plan(deps: Deps, job: Job) -> Plan | None:
    body = deps.data.get(plan_key(job.job_id))
    return Plan.model_validate_json(body) if body is not None else None


def _write_plan(deps: Deps, job_id: str) -> Plan:
    body = deps.data.get(spec_key(job_id))
    if body is None:
        raise FileNotFoundError(f"the spec of {job_id} is gone from the data bucket")
    tasks = SubmitJobIn.model_validate_json(body).tasks
    parts = [
        put_part(deps, job_id, number, part)
        for number, part in enumerate(write_parts(tasks.items or []))
    ]
    plan = Plan(total=tasks.total, parts=parts)
    deps.data.put(plan_key(job_id), plan.model_dump_json().encode(), "application/json")
    return plan


def _planned(deps: Deps, job: Job, plan: Plan) -> Job:
    """Set total in any state but a final one, and ENQUEUING where the job was CREATED."""
    known = deps.store.update_job(
        job.job_id,
        JobGuard(gen=job.gen, states=ACTIVE_JOB_STATES),
        total=plan.total,
        plan_ref=plan_key(job.job_id),
        expires_at=expiry(deps),
    )
    if known is None:
        raise Superseded(f"{job.job_id} has ended or was retried meanwhile")
    moved = deps.store.update_job(
        job.job_id,
        JobGuard(gen=job.gen, states=states_before(JobEvent.PLANNED)),
        state=state_after(JobEvent.PLANNED),
    )
    return moved or known
