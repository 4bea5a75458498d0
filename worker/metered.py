"""The ports, counted: each call to the outside is a sign of life, a count, and news of how it fares."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from orchestrator.model.wire import (
    ClaimIn,
    ClaimOut,
    CompleteIn,
    CompleteOut,
    HeartbeatIn,
    HeartbeatOut,
)
from worker.health import Health, Line
from worker.metrics import Meters
from worker.ports import ApiRefused, Received, Refusal, TaskQueue, Unavailable, WorkApi


class MeteredQueue:
    """A queue whose calls are counted. Leases and deletes count their entries themselves."""

    def __init__(self, queue: TaskQueue, line: Line, health: Health, meters: Meters) -> None:
        self._queue = queue
        self._line = line
        self._health = health
        self._meters = meters

    def receive(self, count: int, *, wait: bool = True) -> list[Received]:
        """Receive, and note whether it worked."""
        line = self._line
        try:
            received = self._queue.receive(count, wait=wait)
        except Unavailable:
            line.failed(self._health.clock())
            self._meters.receives.labels("failed").inc()
            raise
        finally:
            self._health.pulses.touch()
        line.went_well()
        self._meters.receives.labels("messages" if received else "empty").inc()
        self._meters.received.inc(len(received))
        return received

    def change_visibility(self, receipts: Sequence[str], seconds: int) -> list[Refusal]:
        """Hide messages for `seconds` from now."""
        try:
            return self._queue.change_visibility(receipts, seconds)
        finally:
            self._health.pulses.touch()

    def delete(self, receipts: Sequence[str]) -> list[Refusal]:
        """Delete messages."""
        try:
            return self._queue.delete(receipts)
        finally:
            self._health.pulses.touch()


class MeteredApi:
    """A work API whose calls are counted."""

    def __init__(self, api: WorkApi, health: Health, meters: Meters) -> None:
        self._api = api
        self._health = health
        self._meters = meters
        self._claim = Line("claim")

    def claim(self, body: ClaimIn) -> ClaimOut:
        """Claim, and count it."""
        return self._call(self._claim, lambda: self._api.claim(body))

    def complete(self, body: CompleteIn) -> CompleteOut:
        """Report, and note whether it worked: what is wrong with one report is no trouble of the way."""
        line = self._health.complete
        return self._call(line, lambda: self._api.complete(body), refusal_is_answer=True)

    def heartbeat(self, worker_id: str, body: HeartbeatIn) -> HeartbeatOut:
        """Send a heartbeat, and note whether it worked."""
        return self._call(self._health.heartbeat, lambda: self._api.heartbeat(worker_id, body))

    def _call[T](self, line: Line, call: Callable[[], T], *, refusal_is_answer: bool = False) -> T:
        counted = self._meters.api_calls
        try:
            answer = call()
        except Unavailable:
            counted.labels(line.name, "failed").inc()
            line.failed(self._health.clock())
            raise
        except ApiRefused:
            counted.labels(line.name, "refused").inc()
            if refusal_is_answer:
                line.went_well()
            else:
                line.failed(self._health.clock())
            raise
        finally:
            self._health.pulses.touch()
        counted.labels(line.name, "answered").inc()
        line.went_well()
        return answer
