"""From the pollers to the slots: how many messages each lane may hold, which slot gets which next.

Express messages are taken first and by any slot; ordinary ones never by the last `express_slots` that are
free. So the express queue is asked whenever something could begin soon, and where it could not be asked for
lack of a slot, it is looked at before the next ordinary message is.
"""

from __future__ import annotations

import threading
from collections import deque

from orchestrator.model.lanes import Lane
from worker.clock import Clock
from worker.held import Held
from worker.pace import Pace

RECEIVE_MAX = 10
WAIT_MAX_SECONDS = 2.0
"""A message that waited so long for a slot goes back: its slot has met a long task."""


class Dispatch:
    """A queue with as many places as the slots need. Safe to use from all threads."""

    def __init__(self, slots: int, clock: Clock, express_slots: int = 0) -> None:
        """`slots` are for messages of both lanes, `express_slots` more for express ones alone."""
        self._clock = clock
        self._shared = slots
        self._slots = slots + express_slots
        self._ready = {lane: deque[Held]() for lane in Lane}
        self._pace = {lane: Pace() for lane in Lane}
        self._running: dict[Held, None] = {}
        self._changed = threading.Condition()
        self._closed = False
        self._express_waits = False
        self._express_shut = False
        self._secluded = False
        self._alone: Held | None = None

    # The slots

    def put(self, held: Held, *, alone: bool = False) -> bool:
        """Hand a message to the next slot that may run it; False when the worker is ending.

        `alone`: to run in a worker that is secluded.
        """
        with self._changed:
            if self._closed:
                return False
            held.ready_at = self._clock()
            if alone:
                self._alone = held
            else:
                self._ready[held.lane].append(held)
            if held.lane is Lane.EXPRESS and not alone:
                self._make_way()
            self._changed.notify_all()
            return True

    def take(self) -> Held | None:
        """Wait for a message; None when the worker is ending."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._next() is not None)
            held = self._next()
            if held is None:
                return None
            if held is self._alone:
                self._alone = None
            else:
                self._ready[held.lane].popleft()
            held.began_at = self._clock()
            self._running[held] = None
            return held

    def _next(self) -> Held | None:
        """Return what a free slot is to run: express first; ordinary where a shared slot is free."""
        if self._secluded:
            return self._alone
        if self._ready[Lane.EXPRESS]:
            return self._ready[Lane.EXPRESS][0]
        if self._ready[Lane.ORDINARY] and self.ordinary_running < self._shared:
            return self._ready[Lane.ORDINARY][0]
        return None

    def done(self, held: Held) -> None:
        """The slot is free again; how long it took says how much to hold ahead."""
        seconds = self._clock() - held.began_at
        with self._changed:
            self._running.pop(held, None)
            self._pace[held.lane].note(seconds)
            self._changed.notify_all()

    def _make_way(self) -> None:
        """Where an express message has no slot, let an ordinary one of several tasks give the rest back.

        Not one that ends soon: giving back costs more than it takes.
        """
        if len(self._ready[Lane.EXPRESS]) > self._free:
            now = self._clock()
            divisible = [held for held in self._running if _divisible(held)]
            if divisible and not any(self._is_quick(held, now) for held in self._running):
                max(divisible, key=lambda held: len(held.unsettled)).orders.hand_on()

    @property
    def busy(self) -> int:
        """Return how many slots run a message now."""
        return len(self._running)

    @property
    def _free(self) -> int:
        return self._slots - len(self._running)

    @property
    def ordinary_running(self) -> int:
        """Return how many slots run an ordinary message now."""
        return sum(held.lane is Lane.ORDINARY for held in self._running)

    # The pollers

    def room(self, lane: Lane = Lane.ORDINARY) -> int:
        """Return how many messages of a lane may be received now."""
        if self._secluded:
            return 0
        if lane is Lane.EXPRESS:
            return 0 if self._express_shut else max(0, self._express_room())
        return 0 if self._express_waits else max(0, self._ordinary_room())

    def _ordinary_room(self) -> int:
        running = [held for held in self._running if held.lane is Lane.ORDINARY]
        free = min(self._free - len(self._ready[Lane.EXPRESS]), self._shared - len(running))
        pace, now = self._pace[Lane.ORDINARY], self._clock()
        ahead = pace.ahead(free + sum(pace.is_recent(held, now) for held in running))
        return min(RECEIVE_MAX, free + min(RECEIVE_MAX, ahead) - len(self._ready[Lane.ORDINARY]))

    def _express_room(self) -> int:
        """Count on every slot that is free or soon will be, and on none twice: others may have some free."""
        now = self._clock()
        soon = sum(self._ends_soon(held, now) for held in self._running)
        return min(RECEIVE_MAX, self._free + soon - len(self._ready[Lane.EXPRESS]))

    def _ends_soon(self, held: Held, now: float) -> bool:
        return self._is_quick(held, now) or _divisible(held)

    def _is_quick(self, held: Held, now: float) -> bool:
        pace = self._pace[held.lane]
        return pace.is_quick and pace.is_recent(held, now)

    def wait_for_room(self, timeout_seconds: float, lane: Lane = Lane.ORDINARY) -> int:
        """Wait until messages may be received; return how many (0 when time is up, or at the end)."""
        with self._changed:
            if lane is Lane.EXPRESS and self.room(lane) <= 0:
                self._express_waits = not self._express_shut
            self._changed.wait_for(lambda: self._closed or self.room(lane) > 0, timeout_seconds)
            return 0 if self._closed else self.room(lane)

    @property
    def must_look(self) -> bool:
        """Tell whether the express queue was not asked while all slots were taken: do not wait there now."""
        return self._express_waits

    def looked(self) -> None:
        """The express queue was asked, and what it gave was put here."""
        with self._changed:
            self._express_waits = False
            self._changed.notify_all()

    def overdue(self) -> list[Held]:
        """Take out the messages that have waited too long for a slot."""
        with self._changed:
            limit = self._clock() - WAIT_MAX_SECONDS
            late = [
                held for ready in self._ready.values() for held in ready if held.ready_at < limit
            ]
            for held in late:
                self._ready[held.lane].remove(held)
            return late

    # A message that runs alone

    def shut_express(self, *, shut: bool) -> None:
        """Let no more express messages come, or let them come again."""
        with self._changed:
            self._express_shut = shut
            self._express_waits = self._express_waits and not shut
            self._changed.notify_all()

    def seclude(self) -> bool:
        """From now on run what is put `alone` and nothing else; False, and no change, while anything runs."""
        with self._changed:
            self._secluded = not self._running and not any(self._ready.values())
            return self._secluded

    def open(self) -> None:
        """Run everything again."""
        with self._changed:
            self._secluded = self._express_shut = False
            self._changed.notify_all()

    # The end

    def close(self) -> list[Held]:
        """Let the slots end after what they run; return what no slot has begun."""
        with self._changed:
            self._closed = True
            left = [held for ready in self._ready.values() for held in ready]
            left += [self._alone] if self._alone is not None else []
            self._alone = None
            for ready in self._ready.values():
                ready.clear()
            self._changed.notify_all()
            return left

    def wait_until_idle(self, timeout_seconds: float) -> bool:
        """Wait until no slot runs anything; tell whether that came true."""
        with self._changed:
            return self._changed.wait_for(
                lambda: not self._running and not any(self._ready.values()), timeout_seconds
            )


def _divisible(held: Held) -> bool:
    """Tell whether an ordinary message can give back tasks that have not begun."""
    several = held.lane is Lane.ORDINARY and len(held.unsettled) > 1
    return several and not held.orders.hands_back
