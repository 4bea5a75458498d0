"""Complete: take what workers report and what they give back. Repeating any of it is harmless."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from orchestrator.errors import NotFound
from orchestrator.model.ids import parse_task_id
from orchestrator.model.wire import CompleteIn, CompleteOut, Report, ReportStatus, SingleReport
from orchestrator.service.giveback import give_back
from orchestrator.service.ports import Deps
from orchestrator.service.settle import Settling, settle


def complete(deps: Deps, body: CompleteIn) -> CompleteOut:
    """Take a batch of reports and of tasks given back; answer each."""
    settlings = [Settling(report) for report in body.reports]
    by_job: dict[str, list[Settling]] = {}
    for settling in settlings:
        by_job.setdefault(settling.report.job, []).append(settling)
    for job_id, members in by_job.items():
        for wave in _waves(members):
            settle(deps, deps.store.get_job(job_id), body.worker_id, wave)
    given = {item.message_id: give_back(deps, item, body.worker_id) for item in body.unstarted}
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
