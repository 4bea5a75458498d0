"""What the worker needs of the world; `worker.aws` provides it, tests bring fakes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from orchestrator.errors import OrchestratorError
from orchestrator.model.wire import (
    ClaimIn,
    ClaimOut,
    CompleteIn,
    CompleteOut,
    HeartbeatIn,
    HeartbeatOut,
)


class Unavailable(OrchestratorError):
    """The service cannot be reached, is too busy, or failed: the same call may work later."""


class ApiRefused(OrchestratorError):
    """The work API found the request itself wrong."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(f"HTTP {status}: {detail}")
        self.status = status


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """A message as the queue gave it."""

    message_id: str
    receipt: str
    receive_count: int
    body: str
    sent_at_ms: int = 0
    """When the message was sent, by SQS's clock (milliseconds since 1970): it tells older from newer."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """An entry of a batch that failed; `final`: the queue says that the message is not ours."""

    receipt: str
    final: bool
    reason: str


class TaskQueue(Protocol):
    """The task queue. Every method raises Unavailable; batches hold at most ten."""

    def receive(self, count: int, *, wait: bool = True) -> list[Received]:
        """Wait for messages, if wanted, and return at most `count`; each is leased from now on."""
        ...

    def change_visibility(self, receipts: Sequence[str], seconds: int) -> list[Refusal]:
        """Hide messages for `seconds` from now; return those for which it failed."""
        ...

    def delete(self, receipts: Sequence[str]) -> list[Refusal]:
        """Delete messages; return those for which it failed."""
        ...


class WorkApi(Protocol):
    """The control plane. Every method raises Unavailable or ApiRefused."""

    def claim(self, body: ClaimIn) -> ClaimOut:
        """Ask what of received messages is to be run."""
        ...

    def complete(self, body: CompleteIn) -> CompleteOut:
        """Report runs and give tasks back."""
        ...

    def heartbeat(self, worker_id: str, body: HeartbeatIn) -> HeartbeatOut:
        """Say what runs."""
        ...


class Buckets(Protocol):
    """The buckets, as the worker itself uses them. Every method raises Unavailable."""

    def read_range(self, key: str, start: int, stop: int) -> bytes:
        """Read bytes of an object of the data bucket. Raises FileNotFoundError."""
        ...

    def put_result(self, key: str, body: bytes) -> None:
        """Write JSON to the results bucket."""
        ...
