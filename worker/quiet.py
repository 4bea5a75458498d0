"""Whether there is nothing to do: no lane has given a message for a while, and none is held."""

from __future__ import annotations

import math
from collections.abc import Iterable

from orchestrator.model.lanes import Lane


class Quiet:
    """Each lane's poller tells of its receives. `until_empty_seconds`: how long is enough."""

    def __init__(self, lanes: Iterable[Lane], until_empty_seconds: float = math.inf) -> None:
        self._enough_seconds = until_empty_seconds
        self._since: dict[Lane, float | None] = dict.fromkeys(lanes)
        self._dry = dict.fromkeys(self._since, False)

    def disturbed(self, lane: Lane) -> None:
        """A message came, is held, or the queue could not be asked."""
        self._since[lane], self._dry[lane] = None, False

    def empty(self, lane: Lane, began: float, now: float) -> None:
        """A receive from `began` to `now` gave nothing, and nothing was held before and after it."""
        since = self._since[lane]
        since = self._since[lane] = began if since is None else since
        self._dry[lane] = now - since >= self._enough_seconds

    @property
    def dry(self) -> bool:
        """Tell whether it has been long enough in all lanes; it comes true after a receive."""
        return all(self._dry.values())
