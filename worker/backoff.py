"""Waiting before another try: exponential, with full jitter (a random part of the whole delay)."""

from __future__ import annotations

import random


class Backoff:
    """The delays of one operation; `reset` after it worked."""

    def __init__(self, base_seconds: float = 0.2, cap_seconds: float = 10.0) -> None:
        self._base = base_seconds
        self._cap = cap_seconds
        self.tries = 0

    def next_seconds(self) -> float:
        """Return how long to wait now."""
        self.tries += 1
        return random.uniform(0, min(self._cap, self._base * 2 ** min(self.tries, 30)))

    def reset(self) -> None:
        """Begin anew."""
        self.tries = 0


def growing_seconds(receive_count: int, first: float, cap: float) -> int:
    """Return how long to hide a message received `receive_count` times: doubling, half of it random."""
    whole = min(cap, first * 2 ** min(max(receive_count - 1, 0), 30))
    return max(1, round(random.uniform(whole / 2, whole)))
