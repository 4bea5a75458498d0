"""Reports: buffered for a second or a hundred of them, sent as long as the lease lives, then deletes.

Report first, delete last: a message is deleted only when each of its tasks is answered or given back.
What belongs to a lost lease is thrown away, here, just before it would be sent.
"""

from __future__ import annotations

import threading
import traceback
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

from orchestrator.model.states import Outcome
from orchestrator.model.wire import CompleteIn, CompleteOut, ReportStatus
from worker.backoff import Backoff
from worker.clock import Clock
from worker.deletions import Deletions
from worker.entries import Entry, GiveBack, RunReport
from worker.health import Pulse, Pulses
from worker.held import Held
from worker.leases import Leases
from worker.log import Log, ranges
from worker.metrics import Meters
from worker.outbound import Outbound
from worker.ports import ApiRefused, Unavailable, WorkApi
from worker.touched import TouchedNodes

_SENDERS = 2
"""Two, so that one slow answer does not hold up what comes after it."""
_WAIT_SECONDS = 10.0
"""The longest pause of a sender: after a request that failed, as `Backoff` has it."""


class Reporter:
    """The senders and what answers mean. `report`, `give_back`, `drop`, `forget` from all threads."""

    def __init__(
        self,
        *,
        worker_id: str,
        api: WorkApi,
        leases: Leases,
        deletions: Deletions,
        touched: TouchedNodes,
        outbound: Outbound,
        log: Log,
        clock: Clock,
        meters: Meters,
        pulses: Pulses,
    ) -> None:
        self._meters = meters
        self._worker_id = worker_id
        self._api = api
        self._leases = leases
        self._deletions = deletions
        self._touched = touched
        self._outbound = outbound
        self._log = log
        self._clock = clock
        self._settling = threading.Lock()
        self._threads = [
            threading.Thread(
                target=self._send_all,
                args=[pulses.make(name, _WAIT_SECONDS)],
                name=name,
                daemon=True,
            )
            for name in (f"reporter-{number}" for number in range(_SENDERS))
        ]

    def start(self) -> None:
        """Start the senders."""
        for thread in self._threads:
            thread.start()

    def hurry(self) -> None:
        """Send at once from now on: the worker is ending."""
        self._outbound.hurry()

    def close(self) -> None:
        """End the senders; what is not sent is left to the leases' end."""
        self._outbound.close()

    def backlog(self) -> tuple[int, float]:
        """Return how many entries are not answered yet, and the age of the oldest report, in seconds."""
        return self._outbound.backlog()

    @property
    def behind(self) -> bool:
        """Tell whether so much waits to be told that nothing more should be run."""
        return self._outbound.behind

    # What becomes of tasks: exactly one of these for each

    def report(self, report: RunReport) -> None:
        """A task ran: report how it ended."""
        self._outbound.add(report)

    def give_back(self, give_back: GiveBack) -> None:
        """Tasks go back to the queue."""
        self._outbound.add(give_back)

    def drop(self, held: Held, indexes: Sequence[int]) -> None:
        """Tasks need no answer: their job was stopped or moved on, or the claim said so."""
        self._log.info("dropped", **{**held.names, "tasks": ranges(sorted(indexes))})
        self._settle(held, indexes)

    def forget(self, held: Held) -> None:
        """The lease is lost: nothing more is said or deleted."""
        self._leases.release(held)

    # Sending

    def _send_all(self, pulse: Pulse) -> None:
        pulse.begin()
        while (batch := self._outbound.next_batch()) is not None:
            pulse.beat()
            try:
                self._send(batch)
            except Exception:
                # A fault of this worker: nothing of the batch may count as said.
                self._log.error("reporter_failed", traceback=traceback.format_exc()[-3000:])
                for entry in batch:
                    self._abandon(entry.held, "the report could not be made")
            self._outbound.done(batch)
            try:
                self._deletions.delete_settled()
            except Exception:
                self._log.error("reporter_failed", traceback=traceback.format_exc()[-3000:])
        pulse.end()

    def _send(self, batch: list[Entry]) -> None:
        backoff = Backoff()
        while batch := self._ours(batch):
            try:
                answer = self._complete(batch)
            except Unavailable as error:
                self._log.warning("report_failed", entries=len(batch), reason=str(error))
                if self._outbound.wait_closed(backoff.next_seconds()):
                    return
            except ApiRefused as error:
                self._refused(batch, str(error))
                return
            else:
                self._answered(batch, answer)
                return

    def _ours(self, batch: Iterable[Entry]) -> list[Entry]:
        ours = list[Entry]()
        for entry in batch:
            if self._leases.ours(entry.held):
                ours.append(entry)
            else:
                self.forget(entry.held)
        return ours

    def _complete(self, batch: list[Entry]) -> CompleteOut:
        now = self._clock()
        body = CompleteIn(
            worker_id=self._worker_id,
            reports=[entry.wire(now) for entry in batch if isinstance(entry, RunReport)],
            unstarted=[entry.wire() for entry in batch if isinstance(entry, GiveBack)],
        )
        answer = self._api.complete(body)
        if len(answer.reports) != len(body.reports):
            raise Unavailable(f"{len(answer.reports)} answers to {len(body.reports)} reports")
        return answer

    def _refused(self, batch: list[Entry], reason: str) -> None:
        """The request as a whole was refused: halve it until the entry at fault stands alone."""
        if len(batch) > 1:
            middle = len(batch) // 2
            self._send(batch[:middle])
            self._send(batch[middle:])
        elif isinstance(batch[0], RunReport):
            self._invalid(batch[0], reason)
        else:
            self._abandon(batch[0].held, reason)

    # Answers

    def _answered(self, batch: list[Entry], answer: CompleteOut) -> None:
        reports = [entry for entry in batch if isinstance(entry, RunReport)]
        settled: dict[Held, list[int]] = defaultdict(list)
        statuses: dict[str, list[tuple[int, ReportStatus]]] = defaultdict(list)
        for report, status in zip(reports, answer.reports, strict=True):
            statuses[report.held.message.job].append((report.index, status))
            if status == "invalid":
                self._invalid(report, "the control plane refused the result: it breaks a limit")
            else:
                settled[report.held].append(report.index)
        for entry in batch:
            if isinstance(entry, GiveBack) and self._was_given(entry, answer):
                settled[entry.held].extend(entry.indexes)
        for job_id, pairs in statuses.items():
            self._reported(job_id, pairs)
        for held, indexes in settled.items():
            self._settle(held, indexes)

    def _reported(self, job_id: str, pairs: list[tuple[int, ReportStatus]]) -> None:
        indexes = sorted(index for index, _ in pairs)
        counts = Counter(status for _, status in pairs)
        for status, count in counts.items():
            self._meters.reports.labels(status).inc(count)
        self._touched.add(job_id, indexes)
        self._log.info("reported", job_id=job_id, tasks=ranges(indexes), statuses=counts)

    def _was_given(self, entry: GiveBack, answer: CompleteOut) -> bool:
        given = answer.unstarted.get(entry.held.received.message_id) == "given"
        event = "given_back" if given else "give_back_failed"
        names = {**entry.held.names, "tasks": ranges(sorted(entry.indexes))}
        self._log.info(event, interrupted=entry.interrupted, split=entry.split, **names)
        if given:
            self._meters.given_back.inc(len(entry.indexes))
        else:
            self._outbound.add_later(entry)
        return given

    def _invalid(self, report: RunReport, reason: str) -> None:
        if report.ending.outcome is Outcome.BAD_RESULT:
            self._abandon(report.held, reason)
        else:
            self._outbound.add(report.as_bad_result(reason))

    def _abandon(self, held: Held, reason: str) -> None:
        """Nothing that can be said is taken: leave the message to its redelivery."""
        held.orders.lose()
        self._leases.release(held)
        self._log.error("abandoned", reason=reason, **held.names)

    def _settle(self, held: Held, indexes: Iterable[int]) -> None:
        with self._settling:
            already = not held.unsettled
            held.unsettled.difference_update(indexes)
            if not held.unsettled and not already:
                self._deletions.add(held)
