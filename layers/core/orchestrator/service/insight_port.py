"""The part of the store's port that is about what people see of a job over time."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from orchestrator.model.series import Point


class InsightStore(Protocol):
    """Points of a job's series."""

    def put_point(self, job_id: str, point: Point, expires_at: datetime) -> bool:
        """Write a point, unless one that tells of more ended tasks is filed there already."""
        ...

    def list_points(self, job_id: str, gen: int) -> list[Point]:
        """List the points of a generation by bucket: one query."""
        ...
