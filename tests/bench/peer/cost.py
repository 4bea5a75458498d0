"""What a run of tasks took, and whose it was: the emulator's, or of whoever ran the tasks on it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from tests.bench import cpu


@dataclass(frozen=True, slots=True)
class Cost:
    """A run of `tasks` in `seconds` of wall-clock; `used`: CPU milliseconds of its processes, by name."""

    name: str
    tasks: int
    seconds: float
    used: Counter[str]

    @property
    def per_second(self) -> float:
        """Return tasks a second."""
        return self.tasks / self.seconds

    @property
    def all_ms(self) -> float:
        """Return wall-clock milliseconds a task."""
        return 1000 * self.seconds / self.tasks

    @property
    def floor_ms(self) -> float:
        """Return the emulator's own milliseconds a task in this run, at the queue's length in it.

        It is one process with one interpreter lock: no run takes less wall-clock than its CPU time.
        """
        return self.used[cpu.EMULATOR] / self.tasks

    @property
    def net_ms(self) -> float:
        """Return wall-clock milliseconds a task beyond the floor."""
        return self.all_ms - self.floor_ms

    @property
    def own_ms(self) -> float:
        """Return CPU milliseconds a task of all processes but the emulator."""
        return self.used.total() / self.tasks - self.floor_ms
