"""A reader of grids, written from the format's description: it keeps what it has seen and applies changes."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

NAMES = ("PENDING", "RETRYING", "SUCCEEDED", "FAILED", "CANCELLED", "SKIPPED")
_BITS = {1: 0, 2: 1, 3: 2, 4: 2, 5: 3, 6: 3}


@dataclass
class GridReader:
    """Cells by index, as the answers so far tell them."""

    cells: dict[int, str] = field(default_factory=dict)
    header: dict[str, Any] = field(default_factory=dict)
    leaves: list[int] = field(default_factory=list)
    """Of the last answer."""

    def apply(self, body: bytes) -> GridReader:
        """Take an answer."""
        length = int.from_bytes(body[:4], "little")
        self.header, data = json.loads(body[4 : 4 + length]), body[4 + length :]
        self.leaves = [
            n for first, count in self.header["leaves"] for n in range(first, first + count)
        ]
        for leaf in self.leaves:
            data = self._block(leaf, data)
        assert data == b""
        return self

    def _block(self, leaf: int, data: bytes) -> bytes:
        first, mask = leaf * 250, data[0]
        size = min(250, self.header["total"] - first)
        states = [name for bit, name in enumerate(NAMES) if mask >> bit & 1]
        bits = _BITS[len(states)]
        end = 1 + -(-size * bits // 8)
        number = int.from_bytes(data[1:end], "little")
        for offset in range(size):
            self.cells[first + offset] = states[number >> bits * offset & (1 << bits) - 1]
        return data[end:]

    def shown(self, index: int) -> str:
        """Return the state of a task, with what runs laid over it."""
        cell = self.cells[index]
        runs = index in self.header["running"] and cell in ("PENDING", "RETRYING")
        return "RUNNING" if runs else cell

    def counts(self) -> Counter[str]:
        """Return how many tasks are in each state."""
        return Counter(map(self.shown, self.cells))
