"""The part of the store's port that bounds what is sent and run: priorities, and holds of capped jobs."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from orchestrator.model.items import Hold


class HoldStore(Protocol):
    """Which jobs have unsent tasks, and which message may run a task."""

    def list_unsent(self, tenant: str, first: int, last: int, limit: int) -> list[str]:
        """List a tenant's jobs with unsent tasks and priorities first..last, the highest ones first
        (eventually consistent).
        """
        ...

    def take_hold(self, hold: Hold, now: datetime) -> bool:
        """Write HOLD, if absent, of an earlier generation or attempt, this message's own, or over at `now`."""
        ...

    def drop_hold(self, hold: Hold) -> None:
        """Delete HOLD, if it is this message's own and of this generation and attempt."""
        ...
