"""The results bucket in memory."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from worker.ports import Unavailable


@dataclass
class FakeFiles:
    """Objects by key; `failures` calls to come fail. A link names its key."""

    objects: dict[str, bytes] = field(default_factory=dict)
    types: dict[str, str] = field(default_factory=dict)
    failures: int = 0

    def put(self, key: str, body: bytes, content_type: str) -> None:
        """Write."""
        self._fail()
        self.objects[key], self.types[key] = body, content_type

    def read(self, key: str, limit: int) -> bytes | None:
        """Read."""
        self._fail()
        body = self.objects.get(key)
        return None if body is None else body[:limit]

    def link(self, key: str, method: Literal["GET", "PUT"], seconds: int) -> str:
        """Return a link."""
        return f"https://bucket/{key}?method={method}&seconds={seconds}"

    def _fail(self) -> None:
        if self.failures:
            self.failures -= 1
            raise Unavailable("slow down")
