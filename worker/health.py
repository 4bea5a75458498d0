"""Whether the worker lives and is ready: signs of life of its threads, and how its calls fare.

A thread beats its pulse at each turn of its loop and after each call to the outside, so its longest
silence is its longest wait plus one call. Silence beyond that is a thread that hangs or has died.
"""

from __future__ import annotations

import math
import threading
from dataclasses import dataclass, field

from worker.clock import Clock

CALL_SECONDS_MAX = 330.0
"""The longest that one call may take. Of our own calls the work API's takes longest, 80 s: 5 to connect
and 35 to read, twice where it is signed anew. But a call may first have to renew credentials, and botocore
gives an STS that does not answer five tries of 60 s."""
FAILING_SECONDS = 60.0
"""How long calls may fail before the worker is not ready. Below it a throttle or a deployment passes."""
_FORGOTTEN_SECONDS = 2 * FAILING_SECONDS
"""A call that nobody makes any more says nothing: those that fail are tried again sooner than this."""


class Pulse:
    """One thread's sign of life, due at least each `wait_seconds` beside its calls."""

    def __init__(self, name: str, wait_seconds: float, clock: Clock) -> None:
        self.name = name
        self._bound_seconds = wait_seconds + CALL_SECONDS_MAX
        self._clock = clock
        self._at = math.inf
        self._thread: threading.Thread | None = None

    def begin(self) -> None:
        """Called by the thread itself, before its loop."""
        self._thread = threading.current_thread()
        self.beat()

    def beat(self) -> None:
        """Say that the thread goes on."""
        self._at = self._clock()

    def end(self) -> None:
        """Called by the thread when it ends as it should."""
        self._thread = None

    def is_of(self, thread: threading.Thread) -> bool:
        """Tell whether this is the thread's pulse."""
        return self._thread is thread

    def trouble(self, now: float) -> str | None:
        """Return what is wrong, None where nothing is, or the thread has no business now."""
        thread = self._thread
        if thread is None:
            return None
        if not thread.is_alive():
            return f"{self.name} has died"
        silence = now - self._at
        if silence <= self._bound_seconds:
            return None
        return (
            f"{self.name} is stuck: silent for {silence:.0f} s, at most {self._bound_seconds:.0f}"
        )


class Pulses:
    """The pulses of all threads."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._all: list[Pulse] = []

    def make(self, name: str, wait_seconds: float) -> Pulse:
        """Return a pulse for a thread whose own waits take at most `wait_seconds`."""
        pulse = Pulse(name, wait_seconds, self._clock)
        self._all.append(pulse)
        return pulse

    def touch(self) -> None:
        """Beat the pulse of the calling thread, if it has one: it has come back from a call."""
        thread = threading.current_thread()
        for pulse in self._all:
            if pulse.is_of(thread):
                pulse.beat()

    def troubles(self) -> list[str]:
        """Return what is wrong, empty where all is well."""
        now = self._clock()
        return [told for pulse in self._all if (told := pulse.trouble(now)) is not None]


@dataclass(slots=True)
class Line:
    """How one kind of call fares."""

    name: str
    worked: bool = False
    failing_since: float | None = None
    failed_at: float = -math.inf

    def went_well(self) -> None:
        """The call was answered."""
        self.worked, self.failing_since = True, None

    def failed(self, now: float) -> None:
        """The call was not answered, or refused."""
        self.failed_at = now
        if self.failing_since is None:
            self.failing_since = now

    def trouble(self, now: float) -> str | None:
        """Return why the worker is not ready, as far as this call goes."""
        since = self.failing_since
        if since is None or now - self.failed_at > _FORGOTTEN_SECONDS:
            return None
        seconds = now - since
        return f"{self.name} fails since {seconds:.0f} s" if seconds > FAILING_SECONDS else None


@dataclass(slots=True)
class Health:
    """What /livez and /readyz answer. `started` and `draining` are set by the worker."""

    clock: Clock
    started: bool = False
    draining: bool = False
    receive: Line = field(default_factory=lambda: Line("receive"))
    express: Line | None = None
    """Of the express queue, where the worker has one."""
    heartbeat: Line = field(default_factory=lambda: Line("heartbeat"))
    complete: Line = field(default_factory=lambda: Line("complete"))
    pulses: Pulses = field(init=False)

    def __post_init__(self) -> None:
        self.pulses = Pulses(self.clock)

    def stuck(self) -> list[str]:
        """Return which threads are stuck or dead, empty where the worker lives."""
        return self.pulses.troubles()

    def unready(self) -> list[str]:
        """Return why the worker is not ready, empty where it can receive and report.

        The heartbeat stands for the reports at first: it takes the same way, and is sent at once.
        """
        if self.draining:
            return ["draining"]
        if not self.started:
            return ["starting: the handlers are being loaded"]
        needed = [self.receive, self.heartbeat, *([self.express] if self.express else [])]
        waiting = [f"starting: no {line.name} has worked yet" for line in needed if not line.worked]
        now = self.clock()
        troubles = [line.trouble(now) for line in (*needed, self.complete)]
        return waiting or [trouble for trouble in troubles if trouble is not None]
