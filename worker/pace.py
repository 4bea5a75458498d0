"""How long the messages of a lane take: what says how many may be held ahead of the slots."""

from __future__ import annotations

from worker.held import Held

AHEAD_SECONDS = 0.25
"""Only what the slots finish within this time is held ahead of them."""
_WEIGHT = 0.2


class Pace:
    """A moving average of a lane's messages. The caller's lock guards it."""

    def __init__(self) -> None:
        self._seconds: float | None = None

    def note(self, seconds: float) -> None:
        """A message took so long."""
        known = self._seconds
        self._seconds = seconds if known is None else known + _WEIGHT * (seconds - known)

    @property
    def is_quick(self) -> bool:
        """Tell whether messages end so soon that another may be held for their slot."""
        return self._seconds is not None and self._seconds <= AHEAD_SECONDS

    def is_recent(self, held: Held, now: float) -> bool:
        """Tell whether a message that runs has not taken much longer than they do."""
        return held.began_at >= now - max(AHEAD_SECONDS, 2 * (self._seconds or 0.0))

    def ahead(self, slots: int) -> int:
        """Return how many messages beyond the free ones such `slots` take soon; none until one has ended."""
        if self._seconds is None:
            return 0
        return max(0, int(slots * AHEAD_SECONDS / max(self._seconds, 0.001)))
