"""Retries: the outbox item that promises one, and the delayed message that keeps the promise."""

from __future__ import annotations

from collections.abc import Iterable
from math import ceil

from orchestrator.errors import SendFailed
from orchestrator.model.items import Job, Outbox, TaskRow
from orchestrator.service.commit import expiry
from orchestrator.service.messages import Again, send_again
from orchestrator.service.ports import Deps

DELAY_MAX_SECONDS = 900
"""SQS's longest DelaySeconds; what is due later waits in the outbox for the sweep."""


def retry_outbox(deps: Deps, job: Job, row: TaskRow) -> Outbox:
    """Return the outbox item of a RETRYING row."""
    assert row.due_at is not None
    return Outbox(
        job_id=job.job_id,
        gen=row.gen,
        kind="retry",
        start=row.index,
        stop=row.index + 1,
        attempt=row.attempt,
        due_at=row.due_at,
        expires_at=expiry(deps),
    )


def send_retries(deps: Deps, job: Job, rows: Iterable[TaskRow]) -> list[Outbox]:
    """Send the rows that are due within SQS's delay; return the outbox items that are so fulfilled.

    A failed send is no error: the outbox items stay and the sweep sends.
    """
    soon = [(row, delay) for row in rows if (delay := _delay(deps, row)) <= DELAY_MAX_SECONDS]
    if not soon:
        return []
    try:
        send_again(
            deps,
            job,
            [
                Again(indexes=[row.index], attempt=row.attempt, delay_seconds=delay)
                for row, delay in soon
            ],
        )
    except SendFailed as error:
        deps.journal.event("retries.unsent", job_id=job.job_id, count=len(soon), error=str(error))
        return []
    return [retry_outbox(deps, job, row) for row, _ in soon]


def _delay(deps: Deps, row: TaskRow) -> int:
    assert row.due_at is not None
    return max(0, ceil((row.due_at - deps.now()).total_seconds()))
