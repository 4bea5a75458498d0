"""The buffer of what is to be told: given out when a request is full, after a second, or once work is quiet."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable

from orchestrator.model.wire import REPORTS_MAX
from worker.clock import Clock
from worker.entries import Entry, GiveBack, RunReport

FLUSH_SECONDS = 1.0
QUIET_SECONDS = 0.2
"""After the last entry, where nothing else runs: a receive from a queue that is not empty has answered by
then, so there is no more company to wait for, and it may be a job's last report."""
BEHIND_ENTRIES = 1_000
"""Four full requests: more are not run ahead of a control plane that is slow or away. A worker that is
lost loses what it has not told, and a buffer without a bound takes all memory."""
_AGAIN, _AGAIN_IN_A_HURRY = 5.0, 0.5


class Outbound:
    """Entries in order. Safe to use from all threads. `idle` tells whether no task runs or waits here."""

    def __init__(
        self,
        clock: Clock,
        flush_seconds: float = FLUSH_SECONDS,
        idle: Callable[[], bool] = lambda: False,
    ) -> None:
        self._clock = clock
        self._flush_seconds = flush_seconds
        self._quiet_seconds = min(QUIET_SECONDS, flush_seconds)
        self._idle = idle
        self._entries: list[Entry] = []
        self._again: list[tuple[float, Entry]] = []
        self._sending: list[list[Entry]] = []
        self._due_at = math.inf
        self._newest_at = 0.0
        self._changed = threading.Condition()
        self._hurry = False
        self._closed = threading.Event()

    def add(self, entry: Entry) -> None:
        """Add an entry. A redelivered message ran alone: there is no company to wait for."""
        with self._changed:
            now = self._newest_at = self._clock()
            self._due_at = min(self._due_at, now + self._flush_seconds)
            if entry.held.redelivered:
                self._due_at = now
            self._entries.append(entry)
            if len(self._entries) in {1, REPORTS_MAX} or self._seconds_until_due() <= 0:
                self._changed.notify_all()

    @property
    def behind(self) -> bool:
        """Tell whether so much waits that nothing more should be run."""
        return len(self._entries) >= BEHIND_ENTRIES

    def backlog(self) -> tuple[int, float]:
        """Return how many entries are not answered yet, and the age of the oldest report, in seconds."""
        with self._changed:
            sending = [entry for batch in self._sending for entry in batch]
            waiting = [*self._entries, *sending, *(entry for _, entry in self._again)]
        ended = [entry.ended_at for entry in waiting if isinstance(entry, RunReport)]
        return len(waiting), max(0.0, self._clock() - min(ended)) if ended else 0.0

    def add_later(self, entry: Entry) -> None:
        """Add an entry that is not to be sent again at once."""
        with self._changed:
            delay = self._flush_seconds * (_AGAIN_IN_A_HURRY if self._hurry else _AGAIN)
            self._again.append((self._clock() + delay, entry))

    def hurry(self) -> None:
        """Give out at once from now on."""
        with self._changed:
            self._hurry = True
            self._changed.notify_all()

    def close(self) -> None:
        """Give out nothing more."""
        self._closed.set()
        with self._changed:
            self._changed.notify_all()

    def wait_closed(self, seconds: float) -> bool:
        """Wait, unless closed; tell whether it is."""
        return self._closed.wait(seconds)

    def next_batch(self) -> list[Entry] | None:
        """Wait for what one request carries: empty now and then, None when closed.

        It counts as not answered until `done`.
        """
        with self._changed:
            if not self._closed.is_set():
                self._recall()
                wait = self._seconds_until_due()
                if wait > 0:
                    # Nobody says when the work grows quiet, so it is looked at now and then.
                    self._changed.wait(min(wait, self._quiet_seconds) if self._entries else wait)
                    self._recall()
            if self._closed.is_set():
                return None
            return self._take() if self._seconds_until_due() <= 0 else []

    def _recall(self) -> None:
        now = self._clock()
        due = [entry for at, entry in self._again if at <= now]
        if due:
            self._again = [pair for pair in self._again if pair[0] > now]
            self._entries.extend(due)
            self._due_at = now

    def _seconds_until_due(self) -> float:
        if not self._entries:
            return self._flush_seconds
        if self._hurry or len(self._entries) >= REPORTS_MAX:
            return 0.0
        if self._idle():
            return min(self._due_at, self._newest_at + self._quiet_seconds) - self._clock()
        return self._due_at - self._clock()

    def _take(self) -> list[Entry]:
        """Take what a request carries; of one message only one give-back, as the answer names messages."""
        taken, kept, given = list[Entry](), list[Entry](), set[str]()
        for entry in self._entries:
            message = entry.held.received.message_id if isinstance(entry, GiveBack) else None
            if len(taken) == REPORTS_MAX or message in given:
                kept.append(entry)
                continue
            taken.append(entry)
            if message is not None:
                given.add(message)
        self._entries = kept
        self._due_at = self._clock() + self._flush_seconds if kept else math.inf
        self._sending.append(taken)
        return taken

    def done(self, batch: list[Entry]) -> None:
        """What `next_batch` gave out was dealt with."""
        with self._changed:
            self._sending = [other for other in self._sending if other is not batch]
