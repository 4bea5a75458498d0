"""Settle reports: rows, then sets, then retries (PROTOCOL: Complete). A repetition heals any crash."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from orchestrator.model.items import Absent, At, Job, Outbox, TaskRow, TaskWrite
from orchestrator.model.progress import SET_OF_STATE, SetName
from orchestrator.model.states import JobState, Outcome, TaskState
from orchestrator.model.wire import RESULT_INLINE_MAX_BYTES, Report, ReportStatus
from orchestrator.policy import Policy
from orchestrator.service.commit import commit_outcomes, expiry
from orchestrator.service.next_row import next_row
from orchestrator.service.ports import Deps, Refused
from orchestrator.service.retries import retry_outbox, send_retries
from orchestrator.service.settled import journal_settled
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
    journal_settled(deps, job, worker_id, settlings)


def _refusal(job: Job | None, report: Report) -> ReportStatus | None:
    """Return why a report is not looked at further (step 1), or None."""
    if job is None or report.gen != job.gen or report.index >= (job.total or 0):
        return "stale"
    if job.state.final:
        return "closed"
    if job.state is JobState.STOPPING and report.outcome is Outcome.CANCELLED:
        return "closed"  # No failure: it ends as the rest does, when its leaf is closed.
    prefix = f"tasks/{report.job}/{report.gen}/{report.index}/{report.run_id}"
    refs = (report.result_ref, report.log_ref)
    if any(ref is not None and not ref.startswith(prefix) for ref in refs):
        return "invalid"
    too_long = len(encode_json(report.result)) > RESULT_INLINE_MAX_BYTES
    return "invalid" if too_long else None


def _set_of(row: TaskRow) -> SetName:
    return SET_OF_STATE[row.state]


def _write_rows(deps: Deps, job: Job, worker_id: str, settlings: list[Settling]) -> None:
    """Steps 2 and 3: decide, outbox, row. A row that stands otherwise is looked at again."""
    policy, waiting = Policy.load(job.policy), settlings
    known = [s.report.index for s in settlings if s.report.attempt > 1 or job.gen > 1]
    rows = deps.store.get_tasks(job.job_id, known) if known else {}
    for settling in settlings:
        settling.row = rows.get(settling.report.index)
    for _ in range(_ROUNDS):
        waiting = [item for item in waiting if not _resolved(job, item)]
        if not waiting:
            return
        for item in waiting:
            item.wanted = next_row(
                job,
                policy,
                item.row,
                item.report,
                worker_id,
                now=deps.now(),
                expires_at=expiry(deps),
                random=deps.random(),
            )
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
        and (item.status == "closed" or _is_needless(item.outbox, item.row))
    ]
    if sent or needless:
        deps.store.delete_outbox([*sent, *needless])


def _is_needless(mine: Outbox, row: TaskRow | None) -> bool:
    """Tell whether an outbox item is not the row's own: two runs of an attempt may be due in one minute,
    and then share an item.
    """
    if row is None or row.due_at is None:
        return True
    return replace(mine, due_at=row.due_at).minute != mine.minute
