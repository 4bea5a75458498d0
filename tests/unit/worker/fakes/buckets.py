"""Buckets in memory."""

from __future__ import annotations

from dataclasses import dataclass, field

from worker.ports import Unavailable


@dataclass
class FakeBuckets:
    """`data` by key; results that were put; `failures` to come."""

    data: dict[str, bytes] = field(default_factory=dict)
    results: dict[str, bytes] = field(default_factory=dict)
    failures: int = 0

    def read_range(self, key: str, start: int, stop: int) -> bytes:
        """Read bytes of an object. Raises FileNotFoundError."""
        self._fail()
        if key not in self.data:
            raise FileNotFoundError(key)
        return self.data[key][start:stop]

    def put_result(self, key: str, body: bytes) -> None:
        """Keep a result."""
        self._fail()
        self.results[key] = body

    def _fail(self) -> None:
        if self.failures:
            self.failures -= 1
            raise Unavailable("slow down")
