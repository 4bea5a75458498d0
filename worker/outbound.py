"""The buffer of what is to be told: given out after a second, or as soon as a request is full."""

from __future__ import annotations

import threading

from orchestrator.model.wire import REPORTS_MAX
from worker.clock import Clock
from worker.entries import Entry, GiveBack, RunReport

FLUSH_SECONDS = 1.0
BEHIND_ENTRIES = 1_000
"""Ten full requests: more are not run ahead of a control plane that is slow or away. A worker that is
lost loses what it has not told, and a buffer without a bound takes all memory."""
_AGAIN, _AGAIN_IN_A_HURRY = 5.0, 0.5


class Outbound:
    """Entries in order. Safe to use from all threads."""

    def __init__(self, clock: Clock, flush_seconds: float = FLUSH_SECONDS) -> None:
        self._clock = clock
        self._flush_seconds = flush_seconds
        self._entries: list[Entry] = []
        self._again: list[tuple[float, Entry]] = []
        self._sending: list[list[Entry]] = []
        self._since = 0.0
        self._changed = threading.Condition()
        self._hurry = False
        self._closed = threading.Event()

    def add(self, entry: Entry) -> None:
        """Add an entry. A redelivered message ran alone: there is no company to wait for."""
        with self._changed:
            if not self._entries:
                self._since = self._clock()
            if entry.held.redelivered:
                self._since = self._clock() - self._flush_seconds
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
                    self._changed.wait(wait)
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

    def _seconds_until_due(self) -> float:
        if not self._entries:
            return self._flush_seconds
        if self._hurry or len(self._entries) >= REPORTS_MAX:
            return 0.0
        return self._since + self._flush_seconds - self._clock()

    def _take(self) -> list[Entry]:
        """Take the first hundred; of one message only one give-back, as the answer names messages."""
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
        self._since = self._clock()
        self._sending.append(taken)
        return taken

    def done(self, batch: list[Entry]) -> None:
        """What `next_batch` gave out was dealt with."""
        with self._changed:
            self._sending = [other for other in self._sending if other is not batch]
