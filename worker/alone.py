"""Messages that run each by itself: such a single may have killed its worker, and must take no others along.

One thread runs them, the ordinary poller's, so that nothing ordinary is received meanwhile. Express messages
go on as long as other work is in the way anyway; then they are held off until the one has run.
"""

from __future__ import annotations

import contextlib
import math
import threading
from collections import deque
from collections.abc import Callable, Iterable

from orchestrator.policy import VISIBILITY_MAX_SECONDS
from worker.admission import Admission
from worker.dispatch import Dispatch
from worker.entries import GiveBack
from worker.health import Pulse
from worker.held import Held
from worker.leases import Leases
from worker.reporter import Reporter

SHARED_SECONDS = 10.0
"""How long several that must run alone are held; then all but one go to workers that are idle."""
ALONE_SECONDS = 60.0
ALONE_MAX_SECONDS = 4 * 3600.0
"""How long one is held, unclaimed, for this worker to become idle: twice as long at each delivery. So
it is run also where all workers are always busy with long tasks, long before its 50th delivery."""
_REPORTED_SECONDS = 600.0
_TURN_SECONDS = 0.5


class Alone:
    """`add` from all threads, `run` by one."""

    def __init__(
        self,
        *,
        admission: Admission,
        dispatch: Dispatch,
        leases: Leases,
        reporter: Reporter,
        hand_over: Callable[[Held], None],
        stopping: threading.Event,
        pulse: Pulse,
    ) -> None:
        """`hand_over` gives a message to a slot of a worker that is secluded."""
        self._admission = admission
        self._dispatch = dispatch
        self._leases = leases
        self._reporter = reporter
        self._hand_over = hand_over
        self._stopping = stopping
        self._pulse = pulse
        self._waiting = deque[Held]()

    def add(self, messages: Iterable[Held]) -> None:
        """Have messages run, each when nothing else is held but those that wait like it."""
        self._waiting.extend(messages)

    def run(self) -> None:
        """Run what waits, one by one. What has no place here soon goes back: another worker may be idle."""
        while (held := self._next()) is not None:
            try:
                self._run(held)
            except Exception:
                self._leases.release(held)  # A fault of this worker: leave it to its lease's end.
                raise
            finally:
                self._dispatch.open()

    def _run(self, held: Held) -> None:
        if not self._wait_until_idle(1, patience_seconds(held)):
            self._return(held)
        elif self._admission.claim_alone(held):
            self._hand_over(held)
            self._wait_until_idle(0, math.inf)

    def _wait_until_idle(self, mine: int, seconds: float) -> bool:
        """Wait until no message is held but `mine` and those waiting, which go back if it takes long."""
        if self._wait_until_at_most(mine, SHARED_SECONDS):
            return True
        self.return_all()
        return self._wait_until_at_most(mine, seconds)

    def return_all(self) -> None:
        """Return what waits: at the end of the worker too, where no one runs it any more."""
        while (held := self._next()) is not None:
            self._return(held)

    def _next(self) -> Held | None:
        with contextlib.suppress(IndexError):
            return self._waiting.popleft()
        return None

    def _return(self, held: Held) -> None:
        if held.claimed:
            self._reporter.give_back(GiveBack.whole(held))
        else:
            self._admission.postpone(held)

    def _wait_until_at_most(self, mine: int, seconds: float) -> bool:
        until = self._leases.clock() + seconds
        while not self._stopping.is_set() and self._leases.clock() < until:
            self._pulse.beat()
            if mine:
                self._dispatch.shut_express(shut=self._dispatch.ordinary_running == 0)
            if self._is_idle(mine, _TURN_SECONDS) and (not mine or self._seclude(mine)):
                return True
        return False

    def _is_idle(self, mine: int, timeout_seconds: float) -> bool:
        count = mine + len(self._waiting)
        return self._leases.wait_until_at_most(count, timeout_seconds, in_slots=True)

    def _seclude(self, mine: int) -> bool:
        """Keep the slots for the one. An express message that came at this moment is run first."""
        if self._dispatch.seclude() and self._is_idle(mine, 0):
            return True
        self._dispatch.open()
        return False


def patience_seconds(held: Held) -> float:
    """Return how long to wait for a worker that is busy, in seconds."""
    grown = ALONE_SECONDS * 2.0 ** min(held.received.receive_count - 2, 20)
    left = VISIBILITY_MAX_SECONDS - held.message.timeout_seconds - _REPORTED_SECONDS
    return min(grown, ALONE_MAX_SECONDS, max(left, 0.0))
