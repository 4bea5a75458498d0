"""Leases: SQS's visibility time-out, renewed each third of it while the message is held.

Two things end a lease: the queue refuses to renew it, or this process finds that more than a lease
has passed since it was last renewed (it was frozen, or could not reach the queue). Either way the
handler is killed, nothing is reported, nothing is deleted: the message is someone else's by now.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping

from orchestrator.model.lanes import Lane
from worker.backoff import Backoff
from worker.clock import Clock
from worker.held import Held, batches
from worker.log import Log
from worker.metrics import Meters
from worker.ports import Received, Refusal, TaskQueue, Unavailable

_RENEW_AT, _RENEW_WITH = 0.3, 0.2
_AGAIN_FIRST, _AGAIN_MAX = 1 / 120, 0.1
"""Delays after a renewal that failed, as shares of the lease: a dozen tries before it ends."""


class Leases:
    """The messages that are held. Safe to use from all threads."""

    def __init__(
        self,
        queues: Mapping[Lane, TaskQueue],
        log: Log,
        lease_seconds: float,
        clock: Clock,
        meters: Meters,
    ) -> None:
        self._meters = meters
        self._queues = queues
        self._log = log
        self._lease_seconds = lease_seconds
        self.clock = clock
        self._held: dict[Held, None] = {}
        self._changed = threading.Condition()
        self._backoff = Backoff(_AGAIN_FIRST * lease_seconds, _AGAIN_MAX * lease_seconds)
        self._not_before = 0.0

    def hold(self, held: Held) -> None:
        """Keep a message's lease alive from now on."""
        with self._changed:
            self._held[held] = None

    def take_over(self, received: Received, received_at: float) -> bool:
        """Tell whether a received message is held already; then its newest receipt carries the lease.

        SQS does not surely heed an older one. A message whose lease is lost is no longer held: what
        runs of it is being stopped.
        """
        with self._changed:
            for held in self._held:
                if held.received.message_id == received.message_id and self.ours(held):
                    held.receipt = received.receipt
                    held.renewed_at = max(held.renewed_at, received_at)
                    self._log.info("received_again", **held.names)
                    return True
        return False

    def release(self, held: Held) -> None:
        """Let go of a message that was deleted, put back or lost."""
        with self._changed:
            self._held.pop(held, None)
            self._changed.notify_all()

    def all(self) -> list[Held]:
        """Return what is held."""
        with self._changed:
            return list(self._held)

    def wait_until_at_most(
        self, count: int, timeout_seconds: float, *, in_slots: bool = False
    ) -> bool:
        """Wait until no more than `count` messages are held (`in_slots`: of those that a slot runs).

        Tell whether that came true.
        """
        with self._changed:
            return self._changed.wait_for(
                lambda: sum(held.in_slot or not in_slots for held in self._held) <= count,
                timeout_seconds,
            )

    def ours(self, held: Held) -> bool:
        """Tell whether the lease lives: asked before anything is said about the message."""
        with self._changed:
            if not held.orders.lost and self.clock() - held.renewed_at > self._lease_seconds:
                self._lose(held, "not renewed in time")
            return not held.orders.lost

    def renew(self) -> None:
        """Renew leases: all that are a fifth old, once one of them is near a third."""
        now = self.clock()
        ages = {held: now - held.renewed_at for held in self.all() if self.ours(held)}
        near = any(age >= _RENEW_AT * self._lease_seconds for age in ages.values())
        if near and now >= self._not_before:
            due = [held for held, age in ages.items() if age >= _RENEW_WITH * self._lease_seconds]
            renewed = [self._renew(lane, batch) for lane, batch in batches(due)]
            if all(renewed):
                self._backoff.reset()
            else:
                self._not_before = self.clock() + self._backoff.next_seconds()

    def _renew(self, lane: Lane, batch: Iterable[Held]) -> bool:
        """Renew up to ten leases; tell whether no one is to be tried again."""
        by_receipt = {held.receipt: held for held in batch}
        began = self.clock()
        try:
            refusals = self._queues[lane].change_visibility(
                list(by_receipt), int(self._lease_seconds)
            )
        except Unavailable as error:
            self._log.warning("lease_not_renewed", messages=len(by_receipt), reason=str(error))
            self._meters.renewals.labels("failed").inc(len(by_receipt))
            return False
        for refusal in refusals:
            self._not_renewed(by_receipt.pop(refusal.receipt), refusal)
        for held in by_receipt.values():
            held.renewed_at = max(held.renewed_at, began)
        self._meters.renewals.labels("renewed").inc(len(by_receipt))
        self._meters.renewals.labels("failed").inc(sum(not refusal.final for refusal in refusals))
        return all(refusal.final for refusal in refusals)

    def _not_renewed(self, held: Held, refusal: Refusal) -> None:
        if not refusal.final:
            self._log.warning("lease_not_renewed", reason=refusal.reason, **held.names)
            return
        with self._changed:
            if held.receipt == refusal.receipt:  # Else it was received again meanwhile.
                self._lose(held, refusal.reason)

    def _lose(self, held: Held, reason: str) -> None:
        """Under the lock, and before anything else: a receive must not be taken for a lease that is gone."""
        held.orders.lose()
        self._meters.leases_lost.inc()
        self._log.warning("lease_lost", reason=reason, **held.names)

    def put_back(self, held: Held, seconds: int, reason: str) -> None:
        """Let a message go, hidden for `seconds`; where that fails its lease just runs out."""
        ours = self.ours(held)
        self.release(held)
        if not ours:
            return
        self._log.info("put_back", reason=reason, seconds=seconds, **held.names)
        try:
            failures = [
                each.reason
                for each in self._queues[held.lane].change_visibility([held.receipt], seconds)
            ]
        except Unavailable as error:
            failures = [str(error)]
        for failure in failures:
            self._log.warning("not_put_back", reason=failure, **held.names)
