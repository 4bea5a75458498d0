"""HOLD in memory."""

from __future__ import annotations

from datetime import datetime

from orchestrator.model.items import Hold
from tests.fakes.hooks import write


class MemoryHolds:
    """`orchestrator.service.hold_port.HoldStore` in memory; needs the hooks of `Hooked` beside it."""

    def __init__(self) -> None:
        self.holds: dict[tuple[str, int], Hold] = {}

    @write
    def take_hold(self, hold: Hold, now: datetime) -> bool:
        old = self.holds.get((hold.job_id, hold.index))
        if old is not None:
            mine, theirs = (hold.gen, hold.attempt), (old.gen, old.attempt)
            free = old.message_id == hold.message_id or old.until < now
            if mine < theirs or (mine == theirs and not free):
                return False
        self.holds[hold.job_id, hold.index] = hold
        return True

    @write
    def drop_hold(self, hold: Hold) -> None:
        old = self.holds.get((hold.job_id, hold.index))
        mine = (hold.gen, hold.attempt, hold.message_id)
        if old is not None and (old.gen, old.attempt, old.message_id) == mine:
            del self.holds[hold.job_id, hold.index]
