"""A message that this worker holds: whose it is, what of it is unsettled, how old its lease is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from itertools import batched, groupby

from orchestrator.model.container import CONTAINER_HANDLER
from orchestrator.model.lanes import Lane
from orchestrator.model.wire import JobInfo, TaskMessage
from worker.log import ranges
from worker.pool.orders import Orders
from worker.ports import Received

BATCH = 10
"""SQS's limit."""


@dataclass(eq=False, slots=False, kw_only=True)
class Held:
    """A leased message. `unsettled`: its tasks that are neither answered nor given back.

    `renewed_at` is taken before the call that renewed, on a clock that counts while the machine sleeps.
    `received` is the receive that began it all; `receipt` is the newest one's, which holds the lease, in
    the queue of the message's lane.
    """

    received: Received
    message: TaskMessage
    renewed_at: float
    unsettled: set[int]
    lane: Lane = Lane.ORDINARY
    info: JobInfo | None = None
    orders: Orders = field(default_factory=Orders)
    ready_at: float = 0.0
    began_at: float = 0.0
    claimed: bool = False
    receipt: str = field(init=False)

    def __post_init__(self) -> None:
        self.receipt = self.received.receipt

    @property
    def redelivered(self) -> bool:
        """Tell whether the message was received before, by whomever."""
        return self.received.receive_count > 1

    @property
    def must_claim(self) -> bool:
        """Tell whether its tasks may run only after a claim that names the message."""
        return self.redelivered or self.message.hold is True

    @property
    def in_slot(self) -> bool:
        """Tell whether its tasks run in a slot of this worker, so that they can take it down."""
        return self.message.handler != CONTAINER_HANDLER

    @cached_property
    def names(self) -> dict[str, object]:
        """The fields that every log line about this message has."""
        return {
            "job_id": self.message.job,
            "tasks": ranges(self.message.tasks()),
            "gen": self.message.gen,
            "attempt": self.message.attempt,
            "message_id": self.received.message_id,
            "tenant": self.info.tenant if self.info else None,
            "request_id": self.info.request_id if self.info else None,
        }


def batches(messages: Iterable[Held]) -> Iterator[tuple[Lane, tuple[Held, ...]]]:
    """Cut messages into batches of one queue, of ten at most."""
    for lane, group in groupby(sorted(messages, key=_lane), key=_lane):
        for batch in batched(group, BATCH, strict=False):
            yield lane, batch


def _lane(held: Held) -> Lane:
    return held.lane
