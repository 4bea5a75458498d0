"""Running the tasks of one message in a slot: each task ends in exactly one event.

The slot's child runs them in turn; where it dies, its successor goes on with those not begun.
"""

from __future__ import annotations

from collections.abc import Iterator

from worker.pool.children import Children
from worker.pool.conversation import Conversation, Limits, OutputMaker
from worker.pool.events import Batch, Dropped, Event, Lost, Returned, Run
from worker.pool.orders import Orders


class Execution:
    """One message on one slot."""

    def __init__(
        self, batch: Batch, orders: Orders, limits: Limits, make_output: OutputMaker
    ) -> None:
        self._batch = batch
        self._orders = orders
        self._make_output = make_output
        self._limits = limits
        self._conversation: Conversation | None = None

    @property
    def running(self) -> tuple[Run, float, float | None] | None:
        """The task that runs now (as far as is known), since when, and its progress."""
        return self._conversation.running if self._conversation else None

    def events(self, children: Children) -> Iterator[Event]:
        """Yield what comes of the tasks, as it comes."""
        left = list(self._batch.runs)
        slow_at = children.clock() + self._limits.slow_seconds
        while left:
            child = None if self._stopping else children.ready()
            if child is None or children.clock() >= slow_at:
                yield self._handed_away([run.index for run in left], slow=child is not None)
                return
            self._conversation = Conversation(
                child=child,
                batch=self._batch,
                left=left,
                orders=self._orders,
                limits=self._limits,
                slow_at=slow_at,
                wake=children.wake,
                make_output=self._make_output,
                clock=children.clock,
            )
            yield from self._conversation.events()
            left = self._conversation.unfinished
            if child.gone:
                children.discard()

    @property
    def _stopping(self) -> bool:
        orders = self._orders
        return orders.lost or orders.cancelled or orders.hands_back

    def _handed_away(self, indexes: list[int], *, slow: bool) -> Event:
        if self._orders.lost:
            return Lost(indexes)
        if self._orders.cancelled:
            return Dropped(indexes)
        return Returned(indexes, [], split=slow)
