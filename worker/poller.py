"""The poller: receives no more than the slots take soon, admits, hands over."""

from __future__ import annotations

import math
import threading
import traceback

from worker.admission import Admission
from worker.backoff import Backoff
from worker.dispatch import Dispatch
from worker.entries import GiveBack
from worker.held import Held
from worker.leases import Leases
from worker.log import Log
from worker.ports import Received, TaskQueue, Unavailable
from worker.reporter import Reporter

_ROOM_SECONDS = 0.5
ALONE_SECONDS = 60.0
"""How long a message that must run alone is held, unclaimed, for this worker to become idle."""


class Poller:
    """One thread; nothing that a message holds stops it."""

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
    ) -> None:
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
        while not self._stopping.is_set():
            try:
                self.poll_once()
            except Exception:
                self._log.error("poll_failed", traceback=traceback.format_exc()[-3000:])
                self._stopping.wait(self._backoff.next_seconds())

    def poll_once(self) -> None:
        """Receive once, if there is room, and hand over what is to be run."""
        room = self._dispatch.wait_for_room(_ROOM_SECONDS)
        if room == 0:
            return
        began = self._leases.clock()
        received = self._receive(room)
        if not received:
            return
        admitted = self._admission.admit(received, began)
        for held in admitted.run:
            self._hand_over(held)
        for number, held in enumerate(admitted.alone):
            self._run_alone(held, still_waiting=len(admitted.alone) - number - 1)

    def _receive(self, room: int) -> list[Received]:
        try:
            received = self._queue.receive(room)
        except Unavailable as error:
            self._log.warning("receive_failed", reason=str(error))
            self._stopping.wait(self._backoff.next_seconds())
            return []
        self._backoff.reset()
        return received

    def _run_alone(self, held: Held, still_waiting: int) -> None:
        """Run a message when nothing else is held but those that wait; receive nothing meanwhile.

        Where this worker does not become idle soon, another one may: the message goes back.
        """
        if self._wait_until_at_most(still_waiting + 1, ALONE_SECONDS):
            if self._admission.claim_alone(held):
                self._hand_over(held)
                self._wait_until_at_most(still_waiting)
        elif held.claimed:
            self.give_back(held)
        else:
            self._admission.postpone(held)

    def _wait_until_at_most(self, count: int, seconds: float = math.inf) -> bool:
        until = self._leases.clock() + seconds
        while not self._stopping.is_set() and self._leases.clock() < until:
            if self._leases.wait_until_at_most(count, _ROOM_SECONDS):
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
        """Give a message back before anything of it began; a claim that counted a start is undone."""
        indexes = sorted(held.unsettled)
        interrupted = indexes if held.claimed else []
        self._reporter.give_back(
            GiveBack(held=held, indexes=indexes, interrupted=interrupted, split=False)
        )
