"""The worker's clock; leases, time-outs and reports all use it."""

from __future__ import annotations

import time
from collections.abc import Callable

type Clock = Callable[[], float]


def clock() -> float:
    """Return seconds on a clock that only goes forward and counts while the machine sleeps.

    A laptop that slept, or a process that was stopped, must see that its leases have run out.
    """
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))
