"""From the poller to the slots: how many messages may be held, which slot gets the next."""

from __future__ import annotations

import threading
from collections import deque

from worker.clock import Clock
from worker.held import Held

RECEIVE_MAX = 10
AHEAD_SECONDS = 0.25
"""Only what the slots finish within this time is held ahead of them."""
WAIT_MAX_SECONDS = 2.0
"""A message that waited so long for a slot goes back: its slot has met a long task."""
_WEIGHT = 0.2


class Dispatch:
    """A queue with as many places as the slots need. Safe to use from all threads."""

    def __init__(self, slots: int, clock: Clock) -> None:
        self._clock = clock
        self._free = slots
        self._slots = slots
        self._ready = deque[Held]()
        self._running: dict[Held, None] = {}
        self._changed = threading.Condition()
        self._closed = False
        self._message_seconds: float | None = None

    def put(self, held: Held) -> bool:
        """Hand a message to the next free slot; False when the worker is ending."""
        with self._changed:
            if self._closed:
                return False
            held.ready_at = self._clock()
            self._ready.append(held)
            self._changed.notify_all()
            return True

    def take(self) -> Held | None:
        """Wait for a message; None when the worker is ending."""
        with self._changed:
            self._changed.wait_for(lambda: self._ready or self._closed)
            if not self._ready:
                return None
            self._free -= 1
            held = self._ready.popleft()
            held.began_at = self._clock()
            self._running[held] = None
            return held

    def done(self, held: Held) -> None:
        """The slot is free again; how long it took says how much to hold ahead."""
        seconds = self._clock() - held.began_at
        with self._changed:
            self._free += 1
            self._running.pop(held, None)
            known = self._message_seconds
            self._message_seconds = (
                seconds if known is None else known + _WEIGHT * (seconds - known)
            )
            self._changed.notify_all()

    @property
    def busy(self) -> int:
        """Return how many slots run a message now."""
        return self._slots - self._free

    def room(self) -> int:
        """Return how many messages may be received now."""
        return min(RECEIVE_MAX, self._free + self._ahead() - len(self._ready))

    def _ahead(self) -> int:
        """Return how many messages beyond the free slots: none where the slots have met long tasks."""
        known = self._message_seconds
        if known is None:
            return 0
        oldest = self._clock() - max(AHEAD_SECONDS, 2 * known)
        soon_free = self._free + sum(held.began_at >= oldest for held in self._running)
        return min(RECEIVE_MAX, int(soon_free * AHEAD_SECONDS / max(known, 0.001)))

    def wait_for_room(self, timeout_seconds: float) -> int:
        """Wait until messages may be received; return how many (0 when time is up, or at the end)."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self.room() > 0, timeout_seconds)
            return 0 if self._closed else max(self.room(), 0)

    def overdue(self) -> list[Held]:
        """Take out the messages that have waited too long for a slot."""
        with self._changed:
            limit = self._clock() - WAIT_MAX_SECONDS
            late = [held for held in self._ready if held.ready_at < limit]
            for held in late:
                self._ready.remove(held)
            return late

    def close(self) -> list[Held]:
        """Let the slots end after what they run; return what no slot has begun."""
        with self._changed:
            self._closed = True
            left = list(self._ready)
            self._ready.clear()
            self._changed.notify_all()
            return left

    def wait_until_idle(self, timeout_seconds: float) -> bool:
        """Wait until no slot runs anything; tell whether that came true."""
        with self._changed:
            return self._changed.wait_for(
                lambda: self._free == self._slots and not self._ready, timeout_seconds
            )
