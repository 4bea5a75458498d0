"""The pollers, one a lane: each receives no more than the slots take soon, admits, hands over."""

from __future__ import annotations

import threading
import traceback

from orchestrator.model.lanes import Lane
from worker.admission import Admission
from worker.alone import Alone
from worker.backoff import Backoff
from worker.dispatch import Dispatch
from worker.entries import GiveBack
from worker.health import Pulse
from worker.held import Held
from worker.leases import Leases
from worker.log import Log
from worker.ports import Received, TaskQueue, Unavailable
from worker.quiet import Quiet
from worker.reporter import Reporter

_ROOM_SECONDS = 0.5
WAIT_SECONDS = 10.0
"""The longest pause of a poller: after a receive that failed, as `Backoff` has it."""


class Handover:
    """From what was admitted to the slots, or back to the queue."""

    def __init__(self, dispatch: Dispatch, reporter: Reporter, log: Log) -> None:
        self._dispatch = dispatch
        self._reporter = reporter
        self._log = log

    def hand_over(self, held: Held, *, alone: bool = False) -> None:
        """Give a message to a slot; back, where the worker is ending."""
        self._log.info("received", receive_count=held.received.receive_count, **held.names)
        if not self._dispatch.put(held, alone=alone):
            self.give_back(held)

    def hand_over_alone(self, held: Held) -> None:
        """Give a message to a slot of a worker that is secluded."""
        self.hand_over(held, alone=True)

    def return_overdue(self) -> None:
        """Give back messages that have waited too long for a slot."""
        for held in self._dispatch.overdue():
            self.give_back(held)

    def give_back(self, held: Held) -> None:
        """Give a message back before anything of it began."""
        self._reporter.give_back(GiveBack.whole(held))


class Poller:
    """One thread; nothing that a message holds stops it. The ordinary one runs what must run alone too."""

    def __init__(
        self,
        *,
        lane: Lane,
        queue: TaskQueue,
        admission: Admission,
        dispatch: Dispatch,
        handover: Handover,
        alone: Alone,
        leases: Leases,
        reporter: Reporter,
        quiet: Quiet,
        log: Log,
        stopping: threading.Event,
        pulse: Pulse,
    ) -> None:
        self._lane = lane
        self._queue = queue
        self._admission = admission
        self._dispatch = dispatch
        self._handover = handover
        self._alone = alone
        self._leases = leases
        self._reporter = reporter
        self._quiet = quiet
        self._log = log
        self._stopping = stopping
        self._pulse = pulse
        self._asked = False
        self._backoff = Backoff()
        name = "poller" if lane is Lane.ORDINARY else f"{lane} poller"
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Start polling."""
        self._thread.start()

    def join(self, timeout_seconds: float) -> bool:
        """Wait for the last receive to end; tell whether it has."""
        self._thread.join(timeout_seconds)
        return not self._thread.is_alive()

    def _run(self) -> None:
        self._pulse.begin()
        while not self._stopping.is_set() and not self._quiet.dry:
            self._pulse.beat()
            try:
                self._poll_once()
            except Exception:
                self._log.error("poll_failed", traceback=traceback.format_exc()[-3000:])
                self._stopping.wait(self._backoff.next_seconds())
        self._pulse.end()

    def _poll_once(self) -> None:
        """Receive once, if there is room, and hand over what is to be run."""
        if self._lane is Lane.ORDINARY:
            self._alone.run()
        room = self._dispatch.wait_for_room(_ROOM_SECONDS, self._lane)
        if room == 0:
            return
        if self._reporter.behind:
            self._stopping.wait(_ROOM_SECONDS)
            return
        try:
            received = self._receive_and_deal(room)
        finally:
            if self._lane is Lane.EXPRESS:
                self._dispatch.looked()
        if not received:
            self._stopping.wait(self._backoff.next_seconds())

    def _receive_and_deal(self, room: int) -> bool:
        """Tell whether the queue could be asked."""
        began, idle = self._leases.clock(), not self._leases.all()
        try:
            # The first does not wait: it shows at once whether this worker can receive.
            wait = self._asked and not (self._lane is Lane.EXPRESS and self._dispatch.must_look)
            received = self._queue.receive(room, wait=wait)
        except Unavailable as error:
            self._log.warning("receive_failed", reason=str(error), lane=self._lane)
            self._quiet.disturbed(self._lane)
            return False
        self._backoff.reset()
        self._asked = True
        if received or not idle or self._leases.all():
            self._quiet.disturbed(self._lane)
        else:
            self._quiet.empty(self._lane, began, self._leases.clock())
        if received:
            self._deal_with(received, began)
        return True

    def _deal_with(self, received: list[Received], began: float) -> None:
        try:
            admitted = self._admission.admit(received, began, self._lane)
            for held in admitted.run:
                self._handover.hand_over(held)
            self._alone.add(admitted.alone)
        except Exception:
            self._let_go(received)
            raise

    def _let_go(self, received: list[Received]) -> None:
        """A fault of this worker: leave to their leases' end the messages that no slot was given."""
        receipts = {each.receipt for each in received}
        for held in self._leases.all():
            if held.receipt in receipts and not held.ready_at:
                self._leases.release(held)
