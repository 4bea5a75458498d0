"""Points of a job's series, in the tasks table."""

from __future__ import annotations

from datetime import datetime

from orchestrator.model.progress import Counts
from orchestrator.model.series import Point
from orchestrator.store.models import Connection, PointRow, bind
from orchestrator.store.requests import absent, put, query_raw

_BUCKET_MAX = "999999999"
_NAMES = ("pending", "running", "retrying", "succeeded", "failed", "cancelled", "skipped")
"""The order of the counts in an item."""


class InsightPoints:
    """A job's points are one partition, by generation and bucket."""

    def __init__(self, connection: Connection) -> None:
        self._point = bind(PointRow, connection.tasks_table, connection)

    def put_point(self, job_id: str, point: Point, expires_at: datetime) -> bool:
        """Write a point over one that tells of no more."""
        model, ended = self._point, point.counts.finals
        row = model(
            f"S#{job_id}",
            f"{point.gen:05d}#{point.bucket:09d}",
            at=point.at,
            ended=ended,
            counts=[getattr(point.counts, name) for name in _NAMES],
            expires_at=expires_at,
        )
        done, _ = put(row, absent(model) | (model.ended <= ended))
        return done

    def list_points(self, job_id: str, gen: int) -> list[Point]:
        """List a generation's points by one query."""
        between = (f"{gen:05d}#", f"{gen:05d}#{_BUCKET_MAX}")
        raws = query_raw(self._point, f"S#{job_id}", between)
        return [_point_value(self._point.from_raw_data(raw)) for raw in raws]


def _point_value(row: PointRow) -> Point:
    gen, bucket = row.sk.split("#")
    counts = Counts(**dict(zip(_NAMES, row.counts, strict=True)))
    return Point(gen=int(gen), bucket=int(bucket), at=row.at, counts=counts)
