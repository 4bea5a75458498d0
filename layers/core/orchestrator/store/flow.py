"""OUTBOX and GIVEN, in the tasks table."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Literal, cast

from orchestrator.model.items import Outbox
from orchestrator.store.codec import OUTBOX_SHARDS, number_set, outbox_key
from orchestrator.store.models import Connection, GivenRow, OutboxRow, bind
from orchestrator.store.requests import (
    batch_get,
    batch_write,
    delete_request,
    put_request,
    update,
)


class FlowStore:
    """What must be sent, and what has left a message."""

    def __init__(self, connection: Connection) -> None:
        self._outbox = bind(OutboxRow, connection.tasks_table, connection)
        self._given = bind(GivenRow, connection.tasks_table, connection)

    def put_outbox(self, items: Sequence[Outbox]) -> None:
        """Put items."""
        batch_write(
            self._outbox,
            [
                put_request(self._outbox(*key, due_at=item.due_at, expires_at=item.expires_at))
                for key, item in {outbox_key(item): item for item in items}.items()
            ],
        )

    def delete_outbox(self, items: Sequence[Outbox]) -> None:
        """Delete items."""
        keys = dict.fromkeys(outbox_key(item) for item in items)
        batch_write(self._outbox, [delete_request(*key) for key in keys])

    def list_outbox(self, minute: int, limit: int) -> list[Outbox]:
        """List items of a minute, all shards."""
        found: list[Outbox] = []
        for shard in range(OUTBOX_SHARDS):
            left = limit - len(found)
            if left <= 0:
                break
            rows = self._outbox.query(f"D#{minute}#{shard}", consistent_read=True, limit=left)
            found += [_outbox_value(row) for row in rows]
        return found

    def get_given(self, message_ids: Sequence[str]) -> dict[str, frozenset[int]]:
        """Read what left each message."""
        keys = [(f"G#{message_id}", "GIVEN") for message_id in message_ids]
        rows = (self._given.from_raw_data(raw) for raw in batch_get(self._given, keys))
        return {
            row.pk.removeprefix("G#"): frozenset(int(n) for n in row.given or ()) for row in rows
        }

    def add_given(self, message_id: str, given: frozenset[int], expires_at: datetime) -> None:
        """ADD to what left a message."""
        if not given:
            return
        model = self._given
        update(
            model(f"G#{message_id}", "GIVEN"),
            [model.given.add(number_set(given)), model.expires_at.set(expires_at)],
        )


def _outbox_value(row: OutboxRow) -> Outbox:
    job_id, gen, kind, start, stop, attempt = row.sk.split("#")
    return Outbox(
        job_id=job_id,
        gen=int(gen),
        kind=cast(Literal["retry", "range"], kind),
        start=int(start),
        stop=int(stop),
        attempt=int(attempt),
        due_at=row.due_at,
        expires_at=row.expires_at or row.due_at,
    )
