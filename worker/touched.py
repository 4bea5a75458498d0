"""Progress nodes that this worker reported to of late; heartbeats have their counts pushed again."""

from __future__ import annotations

import threading
from collections.abc import Iterable

from orchestrator.model.ids import node_of
from worker.clock import Clock

KEPT_SECONDS = 60.0


class TouchedNodes:
    """Nodes by job, for a minute. Safe to use from all threads."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._at: dict[tuple[str, int], float] = {}

    def add(self, job_id: str, indexes: Iterable[int]) -> None:
        """Note the nodes of tasks that were reported."""
        now = self._clock()
        with self._lock:
            self._at.update({(job_id, node): now for node in set(map(node_of, indexes))})

    def recent(self) -> dict[str, list[int]]:
        """Return the nodes of the last minute, and forget older ones."""
        oldest = self._clock() - KEPT_SECONDS
        with self._lock:
            self._at = {key: at for key, at in self._at.items() if at >= oldest}
            keys = sorted(self._at)
        nodes: dict[str, list[int]] = {}
        for job_id, node in keys:
            nodes.setdefault(job_id, []).append(node)
        return nodes
