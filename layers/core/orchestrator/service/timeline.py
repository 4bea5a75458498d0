"""The timeline of a job: what happened to it, generation by generation. One read of JOB."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, ConfigDict

from orchestrator.model.states import JobState
from orchestrator.model.timeline import TimelineKind
from orchestrator.service.access import Caller, own_job
from orchestrator.service.ports import Deps


class EventOut(BaseModel):
    """An event: `state` is the job's from then on, `by` a key or a part of the product.

    `tasks`: planned: all; retried: those chosen; finished: those that FAILED.
    """

    model_config = ConfigDict(frozen=True)

    at: datetime
    gen: int
    event: TimelineKind
    by: str | None
    state: JobState | None
    detail: str | None
    tasks: int | None


class EventsOut(BaseModel):
    """Oldest first. Between the submit and `from_gen`, events are no longer kept."""

    model_config = ConfigDict(frozen=True)

    job_id: str
    gen: int
    from_gen: int
    events: list[EventOut]


def job_events(deps: Deps, caller: Caller, job_id: str) -> EventsOut:
    """Return what happened to a job. Raises NotFound."""
    job, _ = own_job(deps, caller, job_id)
    submitted = EventOut(
        at=job.created_at,
        gen=1,
        event=TimelineKind.SUBMITTED,
        by=job.created_by,
        state=JobState.CREATED,
        detail=None,
        tasks=None,
    )
    later = [
        EventOut(
            at=event.at,
            gen=event.gen,
            event=event.what,
            by=event.by,
            state=event.state,
            detail=event.detail,
            tasks=event.tasks,
        )
        for event in job.events
    ]
    return EventsOut(
        job_id=job_id,
        gen=job.gen,
        from_gen=later[0].gen if later else 1,
        events=[submitted, *later],
    )
