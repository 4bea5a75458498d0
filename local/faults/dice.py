"""Decisions of one process: what happens next follows from the seed, the role and its number."""

from __future__ import annotations

import random
import threading

from local.faults.knobs import Faults
from local.faults.ledger import Ledger


class Dice:
    """Throws for each kind of fault, and writes down what was decided. Safe to use from all threads."""

    def __init__(self, faults: Faults, ledger: Ledger) -> None:
        self._faults = faults
        self._ledger = ledger
        self._lock = threading.Lock()
        self._random = random.Random(f"{faults.seed}/{ledger.name}")

    @property
    def armed(self) -> bool:
        """Whether faults are to happen now."""
        return self._ledger.armed

    def falls(self, kind: str) -> bool:
        """Decide whether a fault of this kind happens now; it is not written down yet."""
        rate = self._faults.rate(kind)
        return rate > 0 and self.uniform() < rate

    def hits(self, kind: str, on: str) -> bool:
        """Decide whether a fault of this kind happens to `on` now, and write it down if so."""
        if not self.falls(kind):
            return False
        self.note(kind, on)
        return True

    def note(self, kind: str, on: str) -> None:
        """Write a fault down."""
        self._ledger.note(kind, on)

    def uniform(self, below: float = 1.0) -> float:
        """Return a random number in [0, below)."""
        with self._lock:
            return self._random.random() * below
