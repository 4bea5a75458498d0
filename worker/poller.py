"""The poller: receives no more than the slots take soon, admits, hands over."""

from __future__ import annotations

import math
import threading
import traceback

from worker.admission import Admission
from worker.backoff import Backoff
from worker.dispatch import Dispatch
from worker.entries import GiveBack
from worker.health import Pulse
from worker.held import Held
from worker.leases import Leases
from worker.log import Log
from worker.ports import Received, TaskQueue, Unavailable
from worker.reporter import Reporter

_ROOM_SECONDS = 0.5
SHARED_SECONDS = 10.0
"""How long several that must run alone are held; then all but one go to workers that are idle."""
ALONE_SECONDS = 60.0
ALONE_MAX_SECONDS = 4 * 3600.0
"""How long one is held, unclaimed, for this worker to become idle: twice as long at each delivery. So
it is run also where all workers are always busy with long tasks, long before its 50th delivery."""
HELD_MAX_SECONDS = 12 * 3600.0
"""SQS's limit from a receive, whatever is renewed."""
_REPORTED_SECONDS = 600.0
WAIT_SECONDS = 10.0
"""The longest pause of the poller: after a receive that failed, as `Backoff` has it."""


class Poller:
    """One thread; nothing that a message holds stops it.

    `dry`: it has ended by itself, since for `until_empty_seconds` there was nothing to do.
    """

    def __init__(
        self,
        *,
        queue: TaskQueue,
        admission: Admission,
        dispatch: Dispatch,
        leases: Leases,
        reporter: Reporter,
        log: Log,
        stopping: threading.Event,
        pulse: Pulse,
        until_empty_seconds: float = math.inf,
    ) -> None:
        self._pulse = pulse
        self._until_empty_seconds = until_empty_seconds
        self._asked = False
        self._quiet_since: float | None = None
        self.dry = False
        self._queue = queue
        self._admission = admission
        self._dispatch = dispatch
        self._leases = leases
        self._reporter = reporter
        self._log = log
        self._stopping = stopping
        self._backoff = Backoff()
        self._thread = threading.Thread(target=self._run, name="poller", daemon=True)

    def start(self) -> None:
        """Start polling."""
        self._thread.start()

    def join(self, timeout_seconds: float) -> bool:
        """Wait for the last receive to end; tell whether it has."""
        self._thread.join(timeout_seconds)
        return not self._thread.is_alive()

    def _run(self) -> None:
        self._pulse.begin()
        while not self._stopping.is_set() and not self.dry:
            self._pulse.beat()
            try:
                self.poll_once()
            except Exception:
                self._log.error("poll_failed", traceback=traceback.format_exc()[-3000:])
                self._stopping.wait(self._backoff.next_seconds())
        self._pulse.end()

    def poll_once(self) -> None:
        """Receive once, if there is room, and hand over what is to be run."""
        room = self._dispatch.wait_for_room(_ROOM_SECONDS)
        if room == 0:
            return
        if self._reporter.behind:
            self._stopping.wait(_ROOM_SECONDS)
            return
        began, idle = self._leases.clock(), not self._leases.all()
        received = self._receive(room)
        if not received:
            self._note_quiet(began, idle=idle)
            return
        self._quiet_since = None
        try:
            self._deal_with(received, began)
        except Exception:
            self._let_go(received)
            raise

    def _note_quiet(self, began: float, *, idle: bool) -> None:
        """After a receive without messages: it is quiet while nothing is held and the queue says so.

        `dry` comes true after a receive, so that none is under way when the worker ends.
        """
        if not idle or self._backoff.tries or self._leases.all():
            self._quiet_since = None
            return
        since = self._quiet_since = began if self._quiet_since is None else self._quiet_since
        self.dry = self._leases.clock() - since >= self._until_empty_seconds

    def _deal_with(self, received: list[Received], began: float) -> None:
        admitted = self._admission.admit(received, began)
        for held in admitted.run:
            self._hand_over(held)
        self._run_alone(admitted.alone)

    def _let_go(self, received: list[Received]) -> None:
        """A fault of this worker: leave to their leases' end the messages that no slot was given."""
        receipts = {each.receipt for each in received}
        for held in self._leases.all():
            if held.receipt in receipts and not held.ready_at:
                self._leases.release(held)

    def _receive(self, room: int) -> list[Received]:
        try:
            # The first does not wait: it shows at once whether this worker can receive.
            received = self._queue.receive(room, wait=self._asked)
        except Unavailable as error:
            self._log.warning("receive_failed", reason=str(error))
            self._stopping.wait(self._backoff.next_seconds())
            return []
        self._backoff.reset()
        self._asked = True
        return received

    def _run_alone(self, waiting: list[Held]) -> None:
        """Run messages one by one, each when nothing else is held but those that wait.

        Nothing is received meanwhile. What has no place here soon goes back: another worker may be idle.
        """
        while waiting:
            held = waiting.pop(0)
            if not self._wait_until_idle(1, waiting, patience_seconds(held)):
                self._return(held)
            elif self._admission.claim_alone(held):
                self._hand_over(held)
                self._wait_until_idle(0, waiting, math.inf)

    def _wait_until_idle(self, mine: int, waiting: list[Held], seconds: float) -> bool:
        """Wait until no message is held but `mine` and those waiting, which go back if it takes long."""
        if self._wait_until_at_most(mine + len(waiting), SHARED_SECONDS):
            return True
        while waiting:
            self._return(waiting.pop())
        return self._wait_until_at_most(mine, seconds)

    def _return(self, held: Held) -> None:
        if held.claimed:
            self.give_back(held)
        else:
            self._admission.postpone(held)

    def _wait_until_at_most(self, count: int, seconds: float = math.inf) -> bool:
        until = self._leases.clock() + seconds
        while not self._stopping.is_set() and self._leases.clock() < until:
            self._pulse.beat()
            if self._leases.wait_until_at_most(count, _ROOM_SECONDS, in_slots=True):
                return True
        return False

    def _hand_over(self, held: Held) -> None:
        self._log.info("received", receive_count=held.received.receive_count, **held.names)
        if not self._dispatch.put(held):
            self.give_back(held)

    def return_overdue(self) -> None:
        """Give back messages that have waited too long for a slot."""
        for held in self._dispatch.overdue():
            self.give_back(held)

    def give_back(self, held: Held) -> None:
        """Give a message back before anything of it began; the control plane undoes its claim."""
        indexes = sorted(held.unsettled)
        self._reporter.give_back(GiveBack(held=held, indexes=indexes, interrupted=[], split=False))


def patience_seconds(held: Held) -> float:
    """Return how long to wait for a worker that is busy, in seconds."""
    grown = ALONE_SECONDS * 2.0 ** min(held.received.receive_count - 2, 20)
    left = HELD_MAX_SECONDS - held.message.timeout_seconds - _REPORTED_SECONDS
    return min(grown, ALONE_MAX_SECONDS, max(left, 0.0))
