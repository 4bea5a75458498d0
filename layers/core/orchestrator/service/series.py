"""A job over time: counts at moments of a generation, how fast tasks ended, and how long they took."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import pairwise

from pydantic import BaseModel, ConfigDict

from orchestrator.errors import FieldError, InvalidField
from orchestrator.model.items import Job
from orchestrator.model.progress import Counts, Root
from orchestrator.model.series import Point
from orchestrator.model.timeline import TimelineKind
from orchestrator.service.access import Caller, own_job
from orchestrator.service.durations import DurationsOut, durations_of, sample_rows
from orchestrator.service.ports import Deps
from orchestrator.service.views import job_counts


class PointOut(BaseModel):
    """Counts at a moment, absolute. `per_second`: tasks that ended since the point before, a second."""

    model_config = ConfigDict(frozen=True)

    at: datetime
    elapsed_seconds: float
    pending: int
    running: int
    retrying: int
    succeeded: int
    failed: int
    cancelled: int
    skipped: int
    per_second: float


class SeriesOut(BaseModel):
    """One generation of a job. Points are 5 s apart at first, then about 5 % of the generation's age.

    `durations` is of all generations, null while nothing has ended.
    """

    model_config = ConfigDict(frozen=True)

    job_id: str
    gen: int
    total: int | None
    started_at: datetime | None
    finished_at: datetime | None
    points: list[PointOut]
    durations: DurationsOut | None


def job_series(deps: Deps, caller: Caller, job_id: str, gen: int | None) -> SeriesOut:
    """Return the series of a generation, the newest by default. Raises NotFound, InvalidField.

    Costs a query of at most some 360 small items, and a sample of four leaves of rows.
    """
    job, root = own_job(deps, caller, job_id)
    if gen is not None and gen > job.gen:
        rule = f"must be at most {job.gen}, the job's newest generation"
        raise InvalidField(f"gen {rule}", fields=[FieldError("gen", rule, str(gen))])
    wanted = gen or job.gen
    points = deps.store.list_points(job_id, wanted)
    started_at, finished_at = _times(job, wanted)
    if wanted == job.gen:
        points = _with_ends(deps, job, root, points)
    began_at = started_at or (points[0].at if points else None)
    return SeriesOut(
        job_id=job_id,
        gen=wanted,
        total=job.total,
        started_at=started_at,
        finished_at=finished_at,
        points=_views(points, began_at) if began_at is not None else [],
        durations=_durations(deps, job, root),
    )


def _times(job: Job, gen: int) -> tuple[datetime | None, datetime | None]:
    """Return when a generation began and ended; of older ones the timeline knows."""
    if gen == job.gen:
        return job.started_at, job.finished_at
    at = {event.what: event.at for event in job.events if event.gen == gen}
    return at.get(TimelineKind.STARTED), at.get(TimelineKind.FINISHED)


def _with_ends(deps: Deps, job: Job, root: Root, points: Sequence[Point]) -> list[Point]:
    """Add the beginning of a job, and what has come since the last point."""
    ends = list(points)
    if job.started_at is None:
        return ends
    if job.gen == 1 and (not ends or ends[0].at > job.started_at):
        ends.insert(0, _point(job, job.started_at, Counts(pending=job.total or 0)))
    latest = job.finished_at or root.pushed_at
    if latest is not None and (not ends or ends[-1].at < latest):
        ends.append(_point(job, latest, job_counts(job, root, deps.now())))
    return ends


def _point(job: Job, at: datetime, counts: Counts) -> Point:
    return Point(gen=job.gen, bucket=0, at=at, counts=counts)


def _views(points: Iterable[Point], began_at: datetime) -> list[PointOut]:
    """Return the points in order of time; two of one moment are one."""
    order = sorted(points, key=lambda point: (point.at, point.counts.finals))
    apart = [one for one, after in pairwise(order) if one.at < after.at] + order[-1:]
    rates = [0.0, *(_rate(one, after) for one, after in pairwise(apart))]
    return [
        PointOut(
            at=point.at,
            elapsed_seconds=round((point.at - began_at).total_seconds(), 3),
            pending=point.counts.pending,
            running=point.counts.running,
            retrying=point.counts.retrying,
            succeeded=point.counts.succeeded,
            failed=point.counts.failed,
            cancelled=point.counts.cancelled,
            skipped=point.counts.skipped,
            per_second=rate,
        )
        for point, rate in zip(apart, rates, strict=True)
    ]


def _rate(one: Point, after: Point) -> float:
    ended = after.counts.finals - one.counts.finals
    return round(max(0, ended) / (after.at - one.at).total_seconds(), 3)


def _durations(deps: Deps, job: Job, root: Root) -> DurationsOut | None:
    """Return the durations; those of a final job do not change, so the process keeps them."""
    key = f"durations/{job.job_id}/{job.gen}"
    if not job.state.final:
        return durations_of(sample_rows(deps, job, root))
    if key not in deps.cache:
        deps.cache[key] = durations_of(sample_rows(deps, job, root))
    known = deps.cache[key]
    return known if isinstance(known, DurationsOut) else None
