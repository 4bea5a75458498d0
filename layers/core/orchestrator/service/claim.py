"""Claim: what a worker must know of a job, and what is left to do of a redelivered message."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from orchestrator.model.items import Job, TaskRow
from orchestrator.model.progress import SET_OF_STATE, SetName
from orchestrator.model.states import Outcome
from orchestrator.model.wire import ClaimIn, ClaimMessage, ClaimOut, JobInfo, Run
from orchestrator.policy import Policy
from orchestrator.service.commit import commit_outcomes, expiry
from orchestrator.service.giveback import start_key
from orchestrator.service.holds import drop_holds, take_holds
from orchestrator.service.inputs import load_parameters
from orchestrator.service.messages import Again, send_again
from orchestrator.service.ports import Deps
from orchestrator.service.settle import Settling, settle
from orchestrator.service.unfinished import worker_lost

_Verdict = Run | Literal["drop"]


def claim(deps: Deps, body: ClaimIn) -> ClaimOut:
    """Answer for each job its state, for each redelivered message what is to be run of it."""
    wanted = {*body.jobs, *(message.job for message in body.messages)}
    jobs = {job_id: job for job_id in wanted if (job := deps.store.get_job(job_id)) is not None}
    given = deps.store.get_given([message.message_id for message in body.messages])
    verdicts: dict[str, _Verdict] = {}
    for message in body.messages:
        job = jobs.get(message.job)
        gone = given.get(message.message_id, frozenset())
        verdicts[message.message_id] = _verdict(deps, job, body.worker_id, message, gone)
    return ClaimOut(jobs={key: _info(deps, job) for key, job in jobs.items()}, messages=verdicts)


def _info(deps: Deps, job: Job) -> JobInfo:
    return JobInfo(
        gen=job.gen,
        state=job.state,
        tenant=job.tenant,
        request_id=job.request_id,
        parameters=load_parameters(deps, job.job_id),
    )


def _verdict(
    deps: Deps, job: Job | None, worker_id: str, message: ClaimMessage, given: frozenset[int]
) -> _Verdict:
    if job is None or message.gen < job.gen or job.state.final:
        return "drop"
    own = [index for index in message.tasks() if index not in given]
    rows = deps.store.get_tasks(job.job_id, own)
    settled = {index for index in own if _is_settled(rows.get(index), message)}
    _heal(deps, job, (rows[index] for index in settled if rows[index].gen == job.gen))
    rest = [index for index in own if index not in settled]
    if message.hold:
        rest = take_holds(deps, message, rest)
    if len(rest) > 1 and message.receive_count > 1:
        return _split(deps, job, message, rest)
    if not rest:
        return "drop"
    if not message.begins:
        return Run(run=rest)
    return _start(deps, job, worker_id, message, rest[0])


def _is_settled(row: TaskRow | None, message: ClaimMessage) -> bool:
    """Tell whether this attempt was reported (the row may be RETRYING by now), or a newer one exists."""
    if row is None or row.gen < message.gen:
        return False
    reported = row.last is not None and row.last.attempt >= message.attempt
    return row.gen > message.gen or row.state.final or reported or row.attempt > message.attempt


def _heal(deps: Deps, job: Job, rows: Iterable[TaskRow]) -> None:
    """Repeat steps 4 to 6: a crash may have come between a row and its set."""
    outcomes: dict[int, SetName] = {
        row.index: SET_OF_STATE[row.state] for row in rows if row.state in SET_OF_STATE
    }
    if outcomes:
        commit_outcomes(deps, job, outcomes)


def _verdict_of_reported(deps: Deps, job: Job, index: int) -> _Verdict:
    rows = deps.store.get_tasks(job.job_id, [index])
    _heal(deps, job, (row for row in rows.values() if row.gen == job.gen))
    return "drop"


def _split(deps: Deps, job: Job, message: ClaimMessage, rest: list[int]) -> _Verdict:
    """Send the rest as single tasks: a poison task must not blame its neighbours."""
    if message.hold:
        drop_holds(deps, message, rest)
    send_again(deps, job, [Again(indexes=[index], attempt=message.attempt) for index in rest])
    deps.store.add_given(message.message_id, frozenset(rest), expiry(deps))
    deps.journal.event(
        "message.split",
        job_id=job.job_id,
        tenant=job.tenant,
        message_id=message.message_id,
        attempt=message.attempt,
        tasks=rest,
    )
    return "drop"


def _start(deps: Deps, job: Job, worker_id: str, message: ClaimMessage, index: int) -> _Verdict:
    """Count one start of a single task; at the limit the task is held to take its workers down."""
    key = start_key(message.message_id, message.receive_count)
    row = deps.store.add_start(job.job_id, index, message.gen, message.attempt, key, expiry(deps))
    if row is None:  # A report came since the row was read, and may have died after its row.
        return _verdict_of_reported(deps, job, index)
    losses = row.budgets.infrastructure + len(row.starts)
    if losses < Policy.load(job.policy).retry.limit_of(Outcome.WORKER_LOST):
        return Run(run=[index])
    lost = worker_lost(deps, job, index, message.attempt, losses)
    settle(deps, job, worker_id, [Settling(lost)])
    return "drop"
