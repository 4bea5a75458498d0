"""Reports: buffered for a second or a hundred of them, sent as long as the lease lives, then deletes.

Report first, delete last: a message is deleted only when each of its tasks is answered or given back.
What belongs to a lost lease is thrown away, here, just before it would be sent.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from itertools import batched

from orchestrator.model.ids import node_of
from orchestrator.model.wire import REPORTS_MAX, CompleteIn, CompleteOut, ReportStatus
from worker.backoff import Backoff
from worker.deletions import Deletions
from worker.entries import Entry, GiveBack, RunReport
from worker.held import Held
from worker.leases import Leases
from worker.log import Log, ranges
from worker.ports import ApiRefused, Unavailable, WorkApi
from worker.touched import TouchedNodes

FLUSH_SECONDS = 1.0
GIVE_BACK_AGAIN_SECONDS = 5.0
_SENDERS = 2
"""Two, so that one slow answer does not hold up what comes after it."""


class Reporter:
    """The buffer and its senders. `report`, `give_back`, `drop`, `forget` are safe from all threads."""

    def __init__(
        self,
        *,
        worker_id: str,
        api: WorkApi,
        leases: Leases,
        deletions: Deletions,
        touched: TouchedNodes,
        log: Log,
        clock: Callable[[], float],
        flush_seconds: float = FLUSH_SECONDS,
    ) -> None:
        self._worker_id = worker_id
        self._api = api
        self._leases = leases
        self._deletions = deletions
        self._touched = touched
        self._log = log
        self._clock = clock
        self._flush_seconds = flush_seconds
        self._buffer: list[Entry] = []
        self._changed = threading.Condition()
        self._hurry = False
        self._closed = threading.Event()
        self._threads = [
            threading.Thread(target=self._send_all, name=f"reporter-{number}", daemon=True)
            for number in range(_SENDERS)
        ]

    def start(self) -> None:
        """Start the senders."""
        for thread in self._threads:
            thread.start()

    # What becomes of tasks: exactly one of these for each

    def report(self, report: RunReport) -> None:
        """A task ran: report how it ended."""
        self._add(report)

    def give_back(self, give_back: GiveBack) -> None:
        """Tasks go back to the queue."""
        self._add(give_back)

    def drop(self, held: Held, indexes: Sequence[int]) -> None:
        """Tasks need no answer: their job was stopped or moved on, or the claim said so."""
        self._log.info("dropped", **{**held.names, "tasks": ranges(list(indexes))})
        self._settle(held, indexes)

    def forget(self, held: Held) -> None:
        """The lease is lost: nothing more is said or deleted."""
        self._leases.release(held)

    # The senders

    def _add(self, entry: Entry) -> None:
        with self._changed:
            self._buffer.append(entry)
            if len(self._buffer) in {1, REPORTS_MAX} or self._hurry:
                self._changed.notify_all()

    def _send_all(self) -> None:
        while (batch := self._next_batch()) is not None:
            self._send(batch)
            self._deletions.delete_settled()

    def _next_batch(self) -> list[Entry] | None:
        with self._changed:
            self._changed.wait_for(self._is_due, self._flush_seconds)
            if self._closed.is_set():
                return None
            batch, self._buffer = self._buffer[:REPORTS_MAX], self._buffer[REPORTS_MAX:]
            return batch
