"""A job's progress for a person: a live bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

_RATE_WINDOW_SECONDS = 10.0
_LINE_EVERY_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What one read of the job shows."""

    state: str
    total: int | None
    done: int
    failed: int
    running: int

    @classmethod
    def of(cls, job: Mapping[str, Any]) -> Snapshot:
        """Return the snapshot of a job's JSON; `total` is null until the tasks are planned."""
        counts = job["counts"]
        finished = ("succeeded", "failed", "cancelled", "skipped")
        done = sum(int(counts.get(name, 0)) for name in finished)
        return cls(job["state"], job["total"], done, counts.get("failed", 0), counts["running"])


class Rate:
    """Tasks a second over the last seconds, and the time that is left at this rate."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, int]] = deque()

    def add(self, now: float, done: int) -> None:
        """Note how many tasks were done at a time."""
        self._seen.append((now, done))
        while len(self._seen) > 2 and self._seen[0][0] < now - _RATE_WINDOW_SECONDS:
            self._seen.popleft()

    @property
    def per_second(self) -> float:
        """The rate; 0 before there are two moments to compare."""
        if len(self._seen) < 2 or self._seen[-1][0] <= self._seen[0][0]:
            return 0.0
        (first, before), (last, after) = self._seen[0], self._seen[-1]
        return (after - before) / (last - first)

    def left_seconds(self, total: int | None) -> float | None:
        """Return how long the rest takes at this rate, None when that cannot be said."""
        if not self._seen or total is None or not self.per_second:
            return None
        return (total - self._seen[-1][1]) / self.per_second


def text(shot: Snapshot, rate: Rate) -> str:
    """Return the numbers of one moment, on one line."""
    total = "?" if shot.total is None else str(shot.total)
    left = rate.left_seconds(shot.total)
    return (
        f"{shot.state.lower():<10} {shot.done}/{total} done  {shot.failed} failed"
        f"  {shot.running} running  {rate.per_second:.1f} tasks/s"
        f"  {'-' if left is None else f'{left:.0f} s'} left"
    )


class View(Protocol):
    """Shows a snapshot."""

    def show(self, shot: Snapshot) -> None:
        """Show the newest snapshot."""


class Lines:
    """A plain line each two seconds, and one for each new state."""

    def __init__(self) -> None:
        self._rate = Rate()
        self._printed_at = 0.0
        self._state = ""

    def show(self, shot: Snapshot) -> None:
        """Print the snapshot, unless the last line is too new."""
        now = time.monotonic()
        self._rate.add(now, shot.done)
        if shot.state != self._state or now - self._printed_at >= _LINE_EVERY_SECONDS:
            self._printed_at, self._state = now, shot.state
            print(f"  {text(shot, self._rate)}", flush=True)


class Bar:
    """A live bar on a terminal."""

    def __init__(self, progress: Any) -> None:
        self._rate = Rate()
        self._progress = progress
        self._task = progress.add_task("", total=None)

    def show(self, shot: Snapshot) -> None:
        """Move the bar."""
        self._rate.add(time.monotonic(), shot.done)
        self._progress.update(
            self._task,
            total=shot.total,
            completed=shot.done,
            description=text(shot, self._rate),
        )


@contextmanager
def view() -> Iterator[View]:
    """Yield the view that fits the output."""
    if not sys.stdout.isatty():
        yield Lines()
        return
    from rich.progress import BarColumn, Progress, TextColumn

    columns = [BarColumn(bar_width=30), TextColumn("{task.percentage:>3.0f}%")]
    with Progress(*columns, TextColumn("{task.description}"), refresh_per_second=8) as progress:
        yield Bar(progress)
