"""HOLD, in the tasks table."""

from __future__ import annotations

from datetime import datetime

from orchestrator.model.items import Hold
from orchestrator.store.codec import hold_key
from orchestrator.store.models import Connection, HoldRow, bind
from orchestrator.store.requests import absent, delete, put


class HoldsStore:
    """Which message may run a task."""

    def __init__(self, connection: Connection) -> None:
        self._hold = bind(HoldRow, connection.tasks_table, connection)

    def take_hold(self, hold: Hold, now: datetime) -> bool:
        """Write HOLD where no other message runs this attempt."""
        model = self._hold
        older = (model.gen < hold.gen) | ((model.gen == hold.gen) & (model.attempt < hold.attempt))
        free = (model.message_id == hold.message_id) | (model.until < now)
        same = (model.gen == hold.gen) & (model.attempt == hold.attempt) & free
        row = model(
            *hold_key(hold.job_id, hold.index),
            gen=hold.gen,
            attempt=hold.attempt,
            message_id=hold.message_id,
            until=hold.until,
            expires_at=hold.until,
        )
        done, _ = put(row, absent(model) | older | same)
        return done

    def drop_hold(self, hold: Hold) -> None:
        """Delete HOLD where it is this message's own."""
        model = self._hold
        mine = (model.message_id == hold.message_id) & (model.gen == hold.gen)
        row = model(*hold_key(hold.job_id, hold.index))
        delete(row, mine & (model.attempt == hold.attempt))
