"""Deletes of settled messages, in tens; entries that fail are tried again alone."""

from __future__ import annotations

import threading
from itertools import batched

from worker.backoff import Backoff
from worker.held import Held
from worker.leases import BATCH, Leases
from worker.log import Log
from worker.ports import TaskQueue, Unavailable


class Deletions:
    """Messages whose tasks are all settled. Safe to use from all threads."""

    def __init__(self, queue: TaskQueue, leases: Leases, log: Log) -> None:
        self._queue = queue
        self._leases = leases
        self._log = log
        self._lock = threading.Lock()
        self._pending: list[Held] = []
        self._backoff = Backoff()
        self._not_before = 0.0

    def add(self, held: Held) -> None:
        """Have a message deleted soon; its lease is renewed until then."""
        with self._lock:
            self._pending.append(held)

    def delete_settled(self) -> None:
        """Delete what is pending, but nothing whose lease is lost: that is another worker's."""
        for batch in batched(self._take(), BATCH, strict=False):
            ours = [held for held in batch if self._leases.ours(held)]
            for held in set(batch).difference(ours):
                self._leases.release(held)
            if ours:
                self._delete(ours)

    def _take(self) -> list[Held]:
        with self._lock:
            if self._leases.clock() < self._not_before:
                return []
            taken, self._pending = self._pending, []
            return taken

    def _delete(self, batch: list[Held]) -> None:
        by_receipt = {held.received.receipt: held for held in batch}
        try:
            refusals = self._queue.delete(list(by_receipt))
        except Unavailable as error:
            self._log.warning("delete_failed", messages=len(batch), reason=str(error))
            self._again(batch)
            return
        self._backoff.reset()
        again = [by_receipt.pop(refusal.receipt) for refusal in refusals if not refusal.final]
        if again:
            self._log.warning("delete_failed", messages=len(again), reason="refused in part")
            self._again(again)
        for held in by_receipt.values():
            self._leases.release(held)
        jobs = sorted({held.message.job for held in by_receipt.values()})
        self._log.info("deleted", messages=len(by_receipt), job_ids=jobs)

    def _again(self, batch: list[Held]) -> None:
        with self._lock:
            self._pending.extend(batch)
            self._not_before = self._leases.clock() + self._backoff.next_seconds()
