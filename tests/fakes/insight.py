"""Points of a job's series, in memory."""

from __future__ import annotations

from datetime import datetime

from orchestrator.model.series import Point
from tests.fakes.hooks import write


class MemoryInsight:
    """`orchestrator.service.insight_port.InsightStore` in memory; needs the hooks of `Hooked` beside it."""

    def __init__(self) -> None:
        self.points: dict[tuple[str, int, int], Point] = {}

    @write
    def put_point(self, job_id: str, point: Point, expires_at: datetime) -> bool:
        key = (job_id, point.gen, point.bucket)
        stands = self.points.get(key)
        if stands is not None and stands.counts.finals > point.counts.finals:
            return False
        self.points[key] = point
        return True

    def list_points(self, job_id: str, gen: int) -> list[Point]:
        found = sorted(self.points.items(), key=lambda item: item[0])
        return [point for key, point in found if key[:2] == (job_id, gen)]
