"""The runs that a worker looks after, by the names of their Jobs."""

from __future__ import annotations

import threading
from collections.abc import Iterable

from worker.containers.run import Run
from worker.held import Held


class Board:
    """Safe to use from all threads. It keeps a run for each Job, and never more than `limit`."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._lock = threading.Lock()
        self._runs: dict[str, Run] = {}

    def add(self, runs: Iterable[Run]) -> str | None:
        """Take all of a message's runs, or none and say why."""
        wanted = {run.name: run for run in runs}
        with self._lock:
            if wanted.keys() & self._runs.keys():
                return "its container is looked after already"
            if len(wanted) + len(self._runs) > self.limit:
                return f"CONTAINERS_MAX allows {self.limit} containers at once"
            self._runs |= wanted
            return None

    def remove(self, *runs: Run) -> None:
        """Forget runs."""
        with self._lock:
            for run in runs:
                if self._runs.get(run.name) is run:
                    del self._runs[run.name]

    def has(self, run: Run) -> bool:
        """Tell whether a run is still looked after."""
        return self._runs.get(run.name) is run

    def knows(self, name: str) -> bool:
        """Tell whether the Job of this name is looked after."""
        return name in self._runs

    def all(self) -> list[Run]:
        """Return all runs."""
        with self._lock:
            return list(self._runs.values())

    def of(self, held: Held) -> list[Run]:
        """Return the runs of one message."""
        return [run for run in self.all() if run.held is held]
