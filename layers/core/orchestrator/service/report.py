"""Complete: what workers report becomes rows, then sets, then retries. Repeating any of it is harmless."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from orchestrator.errors import NotFound
from orchestrator.model.ids import parse_task_id, task_id
from orchestrator.model.items import (
    Absent,
    At,
    AttemptEnd,
    Budgets,
    Job,
    Outbox,
    TaskRow,
    TaskWrite,
)
from orchestrator.model.progress import SET_OF_STATE, SetName
from orchestrator.model.states import Outcome, TaskState
from orchestrator.model.wire import (
    RESULT_INLINE_MAX_BYTES,
    CompleteIn,
    CompleteOut,
    Report,
    ReportStatus,
    SingleReport,
)
from orchestrator.policy import Finish, Policy, judge
from orchestrator.service.commit import commit_outcomes, expiry
from orchestrator.service.create import past_attempts
from orchestrator.service.giveback import give_back
from orchestrator.service.ports import Deps, Refused
from orchestrator.service.retries import retry_outbox, send_retries
from orchestrator.spec import encode_json

_ROUNDS = 3
"""A row can be refused as absent (a claim made it), then as it was read; then it tells the outcome."""


@dataclass(slots=True)
class Settling:
    """A report on its way: the row it wants, the outbox items it made, and what became of it."""

    report: Report
    row: TaskRow | None = None
    wanted: TaskRow | None = None
    outbox: Outbox | None = None
    status: ReportStatus | None = None


def complete(deps: Deps, body: CompleteIn) -> CompleteOut:
    """Take a batch of reports and of tasks given back; answer each."""
    settlings = [Settling(report) for report in body.reports]
    by_job: dict[str, list[Settling]] = {}
    for settling in settlings:
        by_job.setdefault(settling.report.job, []).append(settling)
    for job_id, members in by_job.items():
        for wave in _waves(members):
            settle(deps, deps.store.get_job(job_id), body.worker_id, wave)
    given = {item.message_id: give_back(deps, item) for item in body.unstarted}
    statuses = [settling.status or "stale" for settling in settlings]
    return CompleteOut(reports=statuses, unstarted=given)


def complete_one(deps: Deps, text: str, body: SingleReport, worker_id: str) -> ReportStatus:
    """Take one report. Raises NotFound where the task id is malformed."""
    key = parse_task_id(text)
    if key is None:
        raise NotFound(f"there is no task {text[:40]!r}", action="Report a task that was received.")
    report = Report(job=key.job_id, index=key.index, **dict(body))
    return complete(deps, CompleteIn(worker_id=worker_id, reports=[report])).reports[0]


def _waves(settlings: Sequence[Settling]) -> Iterable[list[Settling]]:
    """Cut a job's reports so that no task is twice in one wave."""
    waves: list[dict[int, Settling]] = []
    for settling in settlings:
        index = settling.report.index
        for wave in waves:
            if index not in wave:
                wave[index] = settling
                break
        else:
            waves.append({index: settling})
    return (list(wave.values()) for wave in waves)


def settle(deps: Deps, job: Job | None, worker_id: str, settlings: list[Settling]) -> None:
    """Steps 1 to 7 for the reports of one job, each of another task."""
    for settling in settlings:
        settling.status = _refusal(job, settling.report)
    open_ones = [settling for settling in settlings if settling.status is None]
    if job is None or not open_ones:
        return
    _write_rows(deps, job, worker_id, open_ones)
    outcomes: dict[int, SetName] = {
        item.report.index: _set_of(item.row) for item in open_ones if item.row is not None
    }
    closed = commit_outcomes(deps, job, outcomes)
    for item in open_ones:
        if item.report.index in closed:
            item.status = "closed"
    _finish_retries(deps, job, open_ones)
    _journal(deps, job, worker_id, settlings)


def _refusal(job: Job | None, report: Report) -> ReportStatus | None:
    """Return why a report is not looked at further (step 1), or None."""
    if job is None or report.gen != job.gen or report.index >= (job.total or 0):
        return "stale"
    if job.state.final:
        return "closed"
    prefix = f"tasks/{report.job}/{report.gen}/{report.index}/{report.run_id}"
    if report.result_ref is not None and not report.result_ref.startswith(prefix):
        return "invalid"
    too_long = len(encode_json(report.result)) > RESULT_INLINE_MAX_BYTES
    return "invalid" if too_long else None


def _set_of(row: TaskRow) -> SetName:
    return SET_OF_STATE[row.state]


def _write_rows(deps: Deps, job: Job, worker_id: str, settlings: list[Settling]) -> None:
    """Steps 2 and 3: decide, outbox, row. A row that stands otherwise is looked at again."""
    waiting = settlings
    known = [s.report.index for s in settlings if s.report.attempt > 1 or job.gen > 1]
    rows = deps.store.get_tasks(job.job_id, known) if known else {}
    for settling in settlings:
        settling.row = rows.get(settling.report.index)
    for _ in range(_ROUNDS):
        waiting = [item for item in waiting if not _resolved(job, item)]
        if not waiting:
            return
        for item in waiting:
            item.wanted = _next_row(deps, job, worker_id, item)
        _put_outbox(deps, job, waiting)
        answers = deps.store.write_tasks([_write_of(item) for item in waiting])
        waiting = [
            item
            for item, answer in zip(waiting, answers, strict=True)
            if not _written(item, answer)
        ]
    if [item for item in waiting if not _resolved(job, item)]:
        raise RuntimeError(f"rows of {job.job_id} did not settle after {_ROUNDS} rounds")


def _written(item: Settling, answer: Refused | None) -> bool:
    if answer is None:
        item.row, item.status = item.wanted, "committed"
        return True
    item.row = answer.row
    return False


def _resolved(job: Job, item: Settling) -> bool:
    """Tell whether the row that stands answers the report already; set the status if so.

    Our own outcome (same attempt) goes on with what the ROW says. Anything newer makes the report stale.
    """
    row, report = item.row, item.report
    if row is None:
        stale = report.attempt != 1 or job.gen != 1
    elif row.gen == job.gen and row.last is not None and row.last.attempt == report.attempt:
        item.status = "committed" if row.last.run_id == report.run_id else "duplicate"
        return True
    else:
        stale = row.gen != job.gen or row.attempt != report.attempt or row.state.final
    if stale:
        item.status, item.row = "stale", None
    return stale


def _write_of(item: Settling) -> TaskWrite:
    assert item.wanted is not None
    if item.row is None:
        return TaskWrite(row=item.wanted, expect=Absent())
    return TaskWrite(row=item.wanted, expect=At(gen=item.row.gen, attempt=item.row.attempt))


def _next_row(deps: Deps, job: Job, worker_id: str, item: Settling) -> TaskRow:
    """Return the row after this report: final, or with one attempt more and a time before which not."""
    report, row, now = item.report, item.row, deps.now()
    policy = Policy.load(job.policy)
    budgets = row.budgets if row is not None else Budgets()
    verdict = judge(
        policy,
        report.outcome,
        report.error,
        budgets,
        now=now,
        deadline_at=job.deadline_at,
        random=deps.random(),
    )
    ended = TaskRow(
        job_id=job.job_id,
        index=report.index,
        state=TaskState.FAILED,
        gen=job.gen,
        attempt=report.attempt,
        expires_at=expiry(deps),
        last=AttemptEnd(
            attempt=report.attempt,
            run_id=report.run_id,
            outcome=report.outcome,
            at=now,
            worker=worker_id,
            started_at=now - timedelta(milliseconds=report.started_ago_ms),
            duration_ms=report.duration_ms,
            error=report.error,
        ),
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


def _put_outbox(deps: Deps, job: Job, settlings: Iterable[Settling]) -> None:
    """Write what must be sent before the row that says so."""
    items = []
    for item in settlings:
        if item.wanted is not None and item.wanted.state is TaskState.RETRYING:
            item.outbox = retry_outbox(deps, job, item.wanted)
            items.append(item.outbox)
    if items:
        deps.store.put_outbox(items)


def _finish_retries(deps: Deps, job: Job, settlings: Iterable[Settling]) -> None:
    """Step 7: send what is due soon; take away the outbox items, also those of a lost race."""
    rows = [
        item.row
        for item in settlings
        if item.row is not None
        and item.row.state is TaskState.RETRYING
        and item.status in ("committed", "duplicate")
    ]
    sent = send_retries(deps, job, rows)
    needless = [
        item.outbox
        for item in settlings
        if item.outbox is not None
        and (item.row is None or item.row.due_at != item.outbox.due_at or item.status == "closed")
    ]
    if sent or needless:
        deps.store.delete_outbox([*sent, *needless])


_QUIET = (Outcome.SUCCEEDED,)


def _journal(deps: Deps, job: Job, worker_id: str, settlings: Sequence[Settling]) -> None:
    """Log one line a batch, and one for each task that did not succeed."""
    tally = {
        status: sum(s.status == status for s in settlings)
        for status in {s.status for s in settlings}
    }
    indexes = sorted(item.report.index for item in settlings)
    deps.journal.event(
        "reports.settled",
        job_id=job.job_id,
        tenant=job.tenant,
        gen=job.gen,
        worker_id=worker_id,
        request_id=job.request_id,
        statuses={str(status): count for status, count in tally.items()},
        tasks=_ranges(indexes),
    )
    committed = [item for item in settlings if item.status == "committed" and item.row is not None]
    for state in {item.row.state for item in committed if item.row is not None}:
        number = sum(item.row is not None and item.row.state is state for item in committed)
        deps.journal.count(f"Tasks{state.title()}", number)
    for item in settlings:
        if item.report.outcome not in _QUIET or item.status != "committed":
            _journal_task(deps, job, worker_id, item)


def _journal_task(deps: Deps, job: Job, worker_id: str, item: Settling) -> None:
    report = item.report
    deps.journal.event(
        "task.reported",
        job_id=job.job_id,
        task_id=task_id(job.job_id, report.index),
        attempt=report.attempt,
        tenant=job.tenant,
        worker_id=worker_id,
        request_id=job.request_id,
        outcome=report.outcome,
        status=item.status,
        state=item.row.state if item.row is not None else None,
        due_at=item.row.due_at if item.row is not None else None,
        error_type=report.error.type if report.error is not None else None,
    )


def _ranges(indexes: Sequence[int]) -> list[str]:
    """Write ascending indexes as ranges: 3, 4, 5, 9 becomes "3-5", "9"."""
    ranges: list[list[int]] = []
    for index in indexes:
        if ranges and index <= ranges[-1][1] + 1:
            ranges[-1][1] = index
        else:
            ranges.append([index, index])
    return [f"{a}-{b}" if a != b else str(a) for a, b in ranges]
