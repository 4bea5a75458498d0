"""What a task's row becomes after one more run: a pure function of row, report, policy and time."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from orchestrator.model.items import AttemptEnd, Budgets, Job, TaskRow
from orchestrator.model.states import TaskState
from orchestrator.model.wire import Report
from orchestrator.policy import Finish, Policy, judge
from orchestrator.service.create import past_attempts
from orchestrator.spec import encode_json


def next_row(
    job: Job,
    policy: Policy,
    row: TaskRow | None,
    report: Report,
    worker_id: str,
    *,
    now: datetime,
    expires_at: datetime,
    random: float,
) -> TaskRow:
    """Return the row after `report`: final, or RETRYING with one attempt more and a due time."""
    verdict = judge(
        policy,
        report.outcome,
        report.error,
        _used_up(row),
        now=now,
        deadline_at=job.deadline_at,
        random=random,
    )
    ended = TaskRow(
        job_id=job.job_id,
        index=report.index,
        state=TaskState.FAILED,
        gen=job.gen,
        attempt=report.attempt,
        expires_at=expires_at,
        last=_attempt_end(report, worker_id, now),
        budgets=verdict.budgets,
        history=past_attempts(row),
    )
    if not isinstance(verdict.then, Finish):
        due_at = verdict.then.due_at
        return replace(ended, state=TaskState.RETRYING, attempt=report.attempt + 1, due_at=due_at)
    if not verdict.then.succeeded:
        return ended
    inline = None if report.result is None else encode_json(report.result).decode()
    return replace(ended, state=TaskState.SUCCEEDED, result=inline, result_ref=report.result_ref)


def _used_up(row: TaskRow | None) -> Budgets:
    """Return the budgets before this report: each start of a row was preceded by the loss of a worker."""
    if row is None:
        return Budgets()
    losses = row.budgets.infrastructure + len(row.starts)
    return replace(row.budgets, infrastructure=losses)


def _attempt_end(report: Report, worker_id: str, now: datetime) -> AttemptEnd:
    return AttemptEnd(
        attempt=report.attempt,
        run_id=report.run_id,
        outcome=report.outcome,
        at=now,
        worker=worker_id,
        started_at=now - timedelta(milliseconds=report.started_ago_ms),
        duration_ms=report.duration_ms,
        error=report.error,
        log_ref=report.log_ref,
    )
