"""PlanTasks: turn a submission into inputs in S3 and a plan, or find what this generation is to run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Required, TypedDict

from orchestrator.errors import BadInput, Superseded, cut
from orchestrator.model.container import input_check
from orchestrator.model.items import Job
from orchestrator.model.progress import Counts
from orchestrator.model.states import (
    ACTIVE_JOB_STATES,
    JobEvent,
    StopReason,
    state_after,
    states_before,
)
from orchestrator.model.timeline import DETAIL_MAX_CHARS, TimelineEvent, TimelineKind
from orchestrator.service.commit import expiry
from orchestrator.service.inputs import manifest_key, plan_key, put_part, spec_key
from orchestrator.service.lanes import choose_lane
from orchestrator.service.ports import Deps, JobGuard
from orchestrator.service.selection import selection_of
from orchestrator.spec import Plan, PlannedMatrix, SubmitJobIn, write_parts


class PlanStep(TypedDict, total=False):
    """What one step of PlanTasks answers to the machine."""

    nodes: Required[list[int]]
    more: bool
    bad_input: bool


def current_job(deps: Deps, job_id: str, gen: int) -> Job:
    """Read a job for one of its machine's steps. Raises Superseded where it has moved on."""
    job = deps.store.get_job(job_id)
    if job is None or job.gen != gen or job.state.final:
        raise Superseded(f"{job_id} is no longer in generation {gen}, or has ended")
    return job


def _unhurried() -> float:
    return 60.0


def plan_tasks(
    deps: Deps,
    job_id: str,
    gen: int,
    exec: int,
    seconds_left: Callable[[], float] = _unhurried,
) -> PlanStep:
    """Return the nodes that hold tasks of this generation, or `more` to be called again, or `bad_input`.

    `seconds_left` tells how long the function may still run. Raises Superseded.
    """
    job = current_job(deps, job_id, gen)
    try:
        plan = None if job.plan_ref else _make_plan(deps, job, seconds_left)
    except BadInput as error:
        _reject(deps, job, str(error))
        return {"nodes": [], "bad_input": True}
    if plan is None and job.plan_ref is None:
        _keep_alive(deps, job, exec)
        return {"nodes": [], "more": True}
    job = _planned(deps, job, plan)
    selection = selection_of(deps, job)
    deps.journal.event(
        "job.planned",
        job_id=job_id,
        tenant=job.tenant,
        gen=gen,
        exec=exec,
        total=job.total,
        chosen=selection.count,
        lane=job.lane,
        bad_lines=plan.bad_lines if plan is not None else None,
        request_id=job.request_id,
    )
    return {"nodes": selection.nodes}


def _make_plan(deps: Deps, job: Job, seconds_left: Callable[[], float]) -> Plan | None:
    """Return the plan, None where it takes another step. Raises BadInput."""
    body = deps.data.get(spec_key(job.job_id))
    if body is None:
        raise FileNotFoundError(f"the spec of {job.job_id} is gone from the data bucket")
    submission = SubmitJobIn.model_validate_json(body)
    tasks = submission.tasks
    if tasks.manifest is not None or tasks.prefix is not None:
        return _read_plan(deps, job, submission, seconds_left)
    matrix = tasks.combinations()
    first = matrix.total if matrix is not None else 0
    parts = [
        put_part(deps, job.job_id, number, part)
        for number, part in enumerate(write_parts(tasks.items or [*tasks.include], first))
    ]
    assert tasks.total is not None
    if matrix is None or tasks.matrix is None:
        return Plan(total=tasks.total, parts=parts)
    planned = PlannedMatrix(
        axes=tasks.matrix, gaps_at=[*matrix.gaps_at], gaps_sum=[*matrix.gaps_sum]
    )
    return Plan(total=tasks.total, parts=parts, matrix=planned)


def _read_plan(
    deps: Deps, job: Job, submission: SubmitJobIn, seconds_left: Callable[[], float]
) -> Plan | None:
    from orchestrator.service import planning  # Only such jobs need csv, gzip and the readers.
    from orchestrator.service.manifest import ManifestRef

    if submission.tasks.prefix is not None:
        return planning.plan_objects(deps, job.job_id, submission.tasks.prefix, seconds_left)
    body = deps.data.get(manifest_key(job.job_id))
    if body is None:
        raise FileNotFoundError(f"{job.job_id} does not say which manifest was submitted")
    ref = ManifestRef.model_validate_json(body)
    fault_of = input_check(submission.handler, submission.parameters)
    return planning.plan_manifest(deps, job.job_id, ref, seconds_left, fault_of)


def _keep_alive(deps: Deps, job: Job, exec: int) -> None:
    """Tell the sweep that this execution gets on. Raises Superseded where it is not the job's own any more."""
    guard = JobGuard(gen=job.gen, exec=exec, states=ACTIVE_JOB_STATES)
    if deps.store.update_job(job.job_id, guard, checks=0, expires_at=expiry(deps)) is None:
        raise Superseded(f"execution {exec} of {job.job_id} is not the job's own any more")


def _planned(deps: Deps, job: Job, plan: Plan | None) -> Job:
    """Give the job its plan, unless it has one, in any state but a final one; CREATED becomes ENQUEUING."""
    if plan is not None:
        job = _adopt(deps, job, plan)
    moved = deps.store.update_job(
        job.job_id,
        JobGuard(gen=job.gen, states=states_before(JobEvent.PLANNED)),
        state=state_after(JobEvent.PLANNED),
        lane=choose_lane(deps, job),
        unsent_of=job.tenant,
        happened=TimelineEvent(
            gen=job.gen,
            what=TimelineKind.PLANNED,
            at=deps.now(),
            state=state_after(JobEvent.PLANNED),
            tasks=job.total,
        ),
        expires_at=expiry(deps),
    )
    return moved or job


def _adopt(deps: Deps, job: Job, plan: Plan) -> Job:
    """Write the plan; of two that were made at once, the one that JOB names first is it. Raises Superseded."""
    body = plan.model_dump_json(exclude_defaults=True).encode()
    key = plan_key(job.job_id, body)
    deps.data.put(key, body, "application/json")
    known = deps.store.update_job(
        job.job_id,
        JobGuard(gen=job.gen, states=ACTIVE_JOB_STATES, unplanned=True),
        total=plan.total,
        plan_ref=key,
        expires_at=expiry(deps),
    )
    if known is None:
        known = current_job(deps, job.job_id, job.gen)
        if known.plan_ref is None:
            raise Superseded(f"{job.job_id} has ended or was retried meanwhile")
    return known


def _reject(deps: Deps, job: Job, reason: str) -> None:
    """End a job whose inputs cannot be planned, before it has a task; one that was cancelled ends so."""
    cancelled = job.stop is not None and job.stop.reason is StopReason.CANCEL
    event = JobEvent.FINISHED_CANCELLED if cancelled else JobEvent.BAD_INPUT
    ended = deps.store.update_job(
        job.job_id,
        JobGuard(gen=job.gen, states=states_before(event), unplanned=True),
        state=state_after(event),
        state_reason=f"bad_input: {reason}",
        total=0,
        final_counts=Counts(),
        finished_at=deps.now(),
        happened=TimelineEvent(
            gen=job.gen,
            what=TimelineKind.FINISHED,
            at=deps.now(),
            state=state_after(event),
            detail=cut(f"bad_input: {reason}", DETAIL_MAX_CHARS),
            tasks=0,
        ),
        token=None,
        expires_at=expiry(deps),
    )
    if ended is None:
        raise Superseded(f"{job.job_id} has ended, was stopped or was planned meanwhile")
    deps.journal.event(
        "job.rejected",
        job_id=job.job_id,
        tenant=job.tenant,
        gen=job.gen,
        reason=reason,
        request_id=job.request_id,
    )
    deps.journal.count(f"Jobs{ended.state.title()}")
