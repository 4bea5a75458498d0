"""What happened to a job, in order: each is appended to JOB by the write that makes it happen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from orchestrator.model.states import JobState

KEPT_MAX = 30
"""Events of older generations that a retry leaves on JOB, which so keeps below 4 KB, one read unit."""
DETAIL_MAX_CHARS = 200


class TimelineKind(StrEnum):
    """What an event says. `submitted` is told by JOB itself."""

    SUBMITTED = "submitted"
    PLANNED = "planned"
    STARTED = "started"
    STOPPED = "stopped"
    RESTARTED = "restarted"
    FINISHED = "finished"
    RETRIED = "retried"


@dataclass(frozen=True, slots=True, kw_only=True)
class TimelineEvent:
    """One event: `state` is the job's from then on, `by` a key or a part of the product.

    `tasks`: planned: all; retried: those chosen; finished: those that FAILED.
    """

    gen: int
    what: TimelineKind
    at: datetime
    state: JobState | None = None
    by: str | None = None
    detail: str | None = None
    tasks: int | None = None


def kept_at_retry(events: Sequence[TimelineEvent]) -> tuple[TimelineEvent, ...]:
    """Return the newest whole generations of at most KEPT_MAX events together."""
    kept = list(events)
    while len(kept) > KEPT_MAX:
        kept = [event for event in kept if event.gen != kept[0].gen]
    return tuple(kept)
