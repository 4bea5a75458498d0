"""Leases: SQS's visibility time-out, renewed each third of it while the message is held.

Two things end a lease: the queue refuses to renew it, or this process finds that more than a lease
has passed since it was last renewed (it was frozen, or could not reach the queue). Either way the
handler is killed, nothing is reported, nothing is deleted: the message is someone else's by now.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from itertools import batched

from worker.clock import Clock
from worker.held import Held
from worker.log import Log
from worker.ports import TaskQueue, Unavailable

BATCH = 10


class Leases:
    """The messages that are held. Safe to use from all threads."""

    def __init__(
        self,
        queue: TaskQueue,
        log: Log,
        lease_seconds: float,
        clock: Clock,
    ) -> None:
        self._queue = queue
        self._log = log
        self._lease_seconds = lease_seconds
        self.clock = clock
        self._held: dict[str, Held] = {}
        self._changed = threading.Condition()
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="leases", daemon=True)

    def start(self) -> None:
        """Start renewing."""
        self._thread.start()

    def close(self) -> None:
        """Stop renewing."""
        self._closed.set()
        if self._thread.is_alive():
            self._thread.join()

    def _keep(self) -> None:
        while not self._closed.wait(self._lease_seconds / 12):
            self.renew()

    def hold(self, held: Held) -> None:
        """Keep a message's lease alive from now on."""
        with self._changed:
            self._held[held.received.receipt] = held

    def release(self, held: Held) -> None:
        """Let go of a message that was deleted, put back or lost."""
        with self._changed:
            self._held.pop(held.received.receipt, None)
            self._changed.notify_all()

    def all(self) -> list[Held]:
        """Return what is held."""
        with self._changed:
            return list(self._held.values())

    def wait_until_at_most(self, count: int, timeout_seconds: float) -> bool:
        """Wait until no more than `count` messages are held; tell whether that came true."""
        with self._changed:
            return self._changed.wait_for(lambda: len(self._held) <= count, timeout_seconds)

    def ours(self, held: Held) -> bool:
        """Tell whether the lease lives: asked before anything is said about the message."""
        if not held.orders.lost and self.clock() - held.renewed_at > self._lease_seconds:
            self._lose(held, "not renewed in time")
        return not held.orders.lost

    def renew(self) -> None:
        """Renew the leases that are due; called a few times in each third."""
        due_before = self.clock() - self._lease_seconds / 4
        due = [held for held in self.all() if self.ours(held) and held.renewed_at <= due_before]
        for batch in batched(due, BATCH, strict=False):
            self._renew(batch)

    def _renew(self, batch: Iterable[Held]) -> None:
        by_receipt = {held.received.receipt: held for held in batch}
        began = self.clock()
        try:
            refusals = self._queue.change_visibility(list(by_receipt), int(self._lease_seconds))
        except Unavailable as error:
            self._log.warning("lease_not_renewed", messages=len(by_receipt), reason=str(error))
            return
        for refusal in refusals:
            held = by_receipt.pop(refusal.receipt)
            if refusal.final:
                self._lose(held, refusal.reason)
            else:
                self._log.warning("lease_not_renewed", reason=refusal.reason, **held.names)
        for held in by_receipt.values():
            held.renewed_at = began

    def _lose(self, held: Held, reason: str) -> None:
        self._log.warning("lease_lost", reason=reason, **held.names)
        held.orders.lose()

    def put_back(self, held: Held, seconds: int, reason: str) -> None:
        """Let a message go, hidden for `seconds`; where that fails its lease just runs out."""
        self.release(held)
        self._log.info("put_back", reason=reason, seconds=seconds, **held.names)
        try:
            self._queue.change_visibility([held.received.receipt], seconds)
        except Unavailable as error:
            self._log.warning("not_put_back", reason=str(error), **held.names)
