"""Deletes of settled messages, in tens; entries that fail are tried again alone."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence

from orchestrator.model.lanes import Lane
from worker.backoff import Backoff
from worker.held import Held, batches
from worker.leases import Leases
from worker.log import Log
from worker.metrics import Meters
from worker.ports import Refusal, TaskQueue, Unavailable


class Deletions:
    """Messages whose tasks are all settled. Safe to use from all threads."""

    def __init__(
        self, queues: Mapping[Lane, TaskQueue], leases: Leases, log: Log, meters: Meters
    ) -> None:
        self._queues = queues
        self._counted = meters.deletes
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
        for lane, batch in batches(self._take()):
            ours = [held for held in batch if self._leases.ours(held)]
            for held in set(batch).difference(ours):
                self._leases.release(held)
            if ours:
                self._delete(lane, ours)

    def _take(self) -> list[Held]:
        with self._lock:
            if self._leases.clock() < self._not_before:
                return []
            taken, self._pending = self._pending, []
            return taken

    def _delete(self, lane: Lane, batch: Sequence[Held]) -> None:
        by_receipt = {held.receipt: held for held in batch}
        try:
            refusals = self._queues[lane].delete(list(by_receipt))
        except Unavailable as error:
            self._log.warning("delete_failed", messages=len(batch), reason=str(error))
            self._again(batch)
            return
        self._backoff.reset()
        failed = {refusal.receipt: refusal for refusal in refusals}
        again, gone = list[Held](), list[Held]()
        for receipt, held in by_receipt.items():
            passing = receipt in failed and not failed[receipt].final
            # Received again meanwhile: SQS may not have heeded the older receipt.
            (again if passing or held.receipt != receipt else gone).append(held)
        if again:
            self._log.warning("delete_failed", messages=len(again), reason="refused in part")
            self._again(again)
        for held in gone:
            self._leases.release(held)
        self._tell(gone, failed)

    def _tell(self, gone: list[Held], failed: dict[str, Refusal]) -> None:
        """Log what was deleted, and what the queue says is not ours, which is the end of it too."""
        refused = [held for held in gone if held.receipt in failed]
        self._counted.labels("refused").inc(len(refused))
        self._counted.labels("deleted").inc(len(gone) - len(refused))
        for held in refused:
            self._log.info("not_deleted", reason=failed[held.receipt].reason, **held.names)
        deleted = [held for held in gone if held not in refused]
        if deleted:
            jobs = sorted({held.message.job for held in deleted})
            self._log.info("deleted", messages=len(deleted), job_ids=jobs)

    def _again(self, batch: Sequence[Held]) -> None:
        self._counted.labels("failed").inc(len(batch))
        with self._lock:
            self._pending.extend(batch)
            self._not_before = self._leases.clock() + self._backoff.next_seconds()
