"""What is said of settled reports: a line a batch, a line for each task that did not succeed, metrics."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Protocol

from orchestrator.model.ids import task_id
from orchestrator.model.items import Job, TaskRow
from orchestrator.model.states import Outcome
from orchestrator.model.wire import Report, ReportStatus
from orchestrator.service.ports import Deps


class Settled(Protocol):
    """A report, the row that stands for it now, and what became of it."""

    @property
    def report(self) -> Report:
        """Return the report."""
        ...

    @property
    def row(self) -> TaskRow | None:
        """Return the row."""
        ...

    @property
    def status(self) -> ReportStatus | None:
        """Return the answer."""
        ...


def journal_settled(deps: Deps, job: Job, worker_id: str, settlings: Sequence[Settled]) -> None:
    """Log one line a batch, and one for each task that did not succeed."""
    tally = Counter(str(item.status) for item in settlings)
    indexes = sorted(item.report.index for item in settlings)
    deps.journal.event(
        "reports.settled",
        job_id=job.job_id,
        tenant=job.tenant,
        gen=job.gen,
        worker_id=worker_id,
        request_id=job.request_id,
        statuses=dict(tally),
        tasks=_ranges(indexes),
    )
    states = Counter(
        item.row.state for item in settlings if item.status == "committed" and item.row is not None
    )
    for state, number in states.items():
        deps.journal.count(f"Tasks{state.title()}", number)
    for item in settlings:
        if item.report.outcome is not Outcome.SUCCEEDED or item.status != "committed":
            _journal_task(deps, job, worker_id, item)


def _journal_task(deps: Deps, job: Job, worker_id: str, item: Settled) -> None:
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
