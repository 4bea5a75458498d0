"""The part of the store's port that keeps API keys."""

from __future__ import annotations

from typing import Protocol

from orchestrator.model.items import ApiKey


class KeyStore(Protocol):
    """API keys, by id."""

    def put_key(self, key: ApiKey) -> None:
        """Write a key."""
        ...

    def get_key(self, key_id: str) -> ApiKey | None:
        """Read a key (eventually consistent)."""
        ...

    def list_keys(self) -> list[ApiKey]:
        """List all keys."""
        ...

    def delete_key(self, key_id: str) -> bool:
        """Delete; False where there was none."""
        ...
