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
_RENEW_AT, _RENEW_WITH = 0.3, 0.2


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

    def hold(self, held: Held) -> None:
        """Keep a message's lease alive from now on; an older lease of the same message is over."""
        with self._changed:
            for other in self._held.values():
                if other.received.message_id == held.received.message_id:
                    self._lose(other, "received again")
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
        """Renew leases: all that are a fifth old, once one of them is near a third."""
        now = self.clock()
        ages = {held: now - held.renewed_at for held in self.all() if self.ours(held)}
        if any(age >= _RENEW_AT * self._lease_seconds for age in ages.values()):
            due = [held for held, age in ages.items() if age >= _RENEW_WITH * self._lease_seconds]
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
        ours = self.ours(held)
        self.release(held)
        if not ours:
            return
        self._log.info("put_back", reason=reason, seconds=seconds, **held.names)
        try:
            self._queue.change_visibility([held.received.receipt], seconds)
        except Unavailable as error:
            self._log.warning("not_put_back", reason=str(error), **held.names)
