"""A queue in memory with SQS's semantics: visibility, receive counts, receipts, partial failures."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count

from orchestrator.model.wire import TaskMessage
from worker.ports import Received, Refusal, Unavailable

_WAIT_SECONDS = 0.02


@dataclass
class Stored:
    """A message of the queue; `hidden` until it is put back or its lease is let run out."""

    message_id: str
    body: str
    sent_at_ms: int
    receipt: str = ""
    receive_count: int = 0
    hidden: bool = False


@dataclass
class FakeQueue:
    """Set `down` to make every call fail; `refuse` holds message ids whose renewal is refused.

    A receipt that is not a message's newest is worth nothing, as SQS may have it at any time. Of two queues
    each must have a `name` of its own, with which its messages' ids begin. `looks`: receives without waiting.
    """

    name: str = "m"
    messages: dict[str, Stored] = field(default_factory=dict)
    deleted: list[str] = field(default_factory=list)
    hidden_for: dict[str, list[int]] = field(default_factory=dict)
    refuse: set[str] = field(default_factory=set)
    fail_once: set[str] = field(default_factory=set)
    fail_always: set[str] = field(default_factory=set)
    renewal_calls: int = 0
    largest_receive: int = 0
    receives: int = 0
    looks: int = 0
    down: bool = False

    def __post_init__(self) -> None:
        self._changed = threading.Condition()
        self._numbers = count(1)

    def send(self, message: TaskMessage | str, *, receive_count: int = 0) -> str:
        """Put a message; return its id."""
        body = message if isinstance(message, str) else message.model_dump_json(exclude_none=True)
        with self._changed:
            number = next(self._numbers)
            message_id = f"{self.name}{number}"
            self.messages[message_id] = Stored(
                message_id, body, sent_at_ms=number, receive_count=receive_count
            )
            self._changed.notify_all()
        return message_id

    def deliver_again(self, message_id: str) -> None:
        """Let a message's visibility time-out pass."""
        with self._changed:
            self.messages[message_id].hidden = False
            self._changed.notify_all()

    def receive(self, count: int, *, wait: bool = True) -> list[Received]:
        """Return visible messages."""
        self._check()
        with self._changed:
            self.largest_receive = max(self.largest_receive, count)
            self._changed.wait_for(lambda: any(self._visible()), _WAIT_SECONDS if wait else 0)
            self.receives += 1
            self.looks += not wait
            return [self._receive(stored) for stored in self._visible()[:count]]

    def _visible(self) -> list[Stored]:
        return [stored for stored in self.messages.values() if not stored.hidden]

    def _receive(self, stored: Stored) -> Received:
        stored.hidden = True
        stored.receive_count += 1
        stored.receipt = f"{stored.message_id}/{stored.receive_count}"
        return Received(
            message_id=stored.message_id,
            receipt=stored.receipt,
            receive_count=stored.receive_count,
            body=stored.body,
            sent_at_ms=stored.sent_at_ms,
        )

    def change_visibility(self, receipts: Sequence[str], seconds: int) -> list[Refusal]:
        """Note for how long messages are hidden."""
        self.renewal_calls += 1
        self._check()
        with self._changed:
            refusals = self._refusals(receipts, self.refuse)
            for receipt in {*receipts} - {refusal.receipt for refusal in refusals}:
                self.hidden_for.setdefault(receipt.split("/")[0], []).append(seconds)
        return refusals

    def delete(self, receipts: Sequence[str]) -> list[Refusal]:
        """Delete, but for receipts that are not the newest."""
        self._check()
        with self._changed:
            refusals = self._refusals(receipts, set())
            for receipt in receipts:
                if receipt not in {refusal.receipt for refusal in refusals}:
                    message_id = receipt.split("/")[0]
                    self.deleted.append(message_id)
                    self.messages.pop(message_id, None)
            self._changed.notify_all()
        return refusals

    def _refusals(self, receipts: Sequence[str], final: set[str]) -> list[Refusal]:
        refusals = list[Refusal]()
        for receipt in receipts:
            message_id = receipt.split("/")[0]
            stored = self.messages.get(message_id)
            if stored is not None and stored.receipt != receipt:
                refusals.append(Refusal(receipt, True, "ReceiptHandleIsInvalid"))
            elif message_id in final:
                refusals.append(Refusal(receipt, True, "MessageNotInflight"))
            elif message_id in self.fail_once | self.fail_always:
                self.fail_once.discard(message_id)
                refusals.append(Refusal(receipt, False, "InternalError"))
        return refusals

    def wait_deleted(self, *message_ids: str) -> None:
        """Wait until messages are deleted."""
        with self._changed:
            done = self._changed.wait_for(lambda: {*message_ids} <= {*self.deleted}, 20)
        assert done, f"not deleted: { ({*message_ids} - {*self.deleted}) }"

    def _check(self) -> None:
        if self.down:
            raise Unavailable("the queue is down")
