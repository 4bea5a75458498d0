"""The worker: its parts started in order, and ended in two phases (drain, then hurry)."""

from __future__ import annotations

from collections.abc import Callable
from queue import SimpleQueue

from worker.clock import clock
from worker.log import Log
from worker.parts import Parts
from worker.pool.children import ChildUnusable

FLUSH_SECONDS = 5.0
"""After the drain: for the last reports, give-backs and deletes."""
_LOOK_SECONDS = 0.2


class Worker:
    """One worker process. `stop` may be called by a signal handler."""

    def __init__(self, parts: Parts, log: Log, drain_seconds: float) -> None:
        self._parts = parts
        self._log = log
        self._drain_seconds = drain_seconds
        # Its `put` may interrupt its own `get` or another `put`, as signal handlers do: an Event's
        # `set` may not.
        self._signals = SimpleQueue[None]()

    def stop(self) -> None:
        """End the worker: the first call lets running tasks end, the second does not wait for them."""
        self._signals.put(None)

    def run(self) -> int:
        """Work until stopped; return the exit code (1: the handlers cannot be loaded)."""
        parts = self._parts
        try:
            handlers = parts.start()
        except ChildUnusable as error:
            self._log.error("not_started", reason=str(error))
            parts.close()
            return 1
        self._log.info("started", slots=len(parts.slots), handlers=handlers)
        self._signals.get()
        self._drain()
        parts.close()
        self._log.info("ended", still_held=len(parts.leases.all()))
        return 0

    def _drain(self) -> None:
        parts = self._parts
        self._log.info("draining", held=len(parts.leases.all()), seconds=self._drain_seconds)
        parts.stopping.set()
        parts.heart.drain()
        parts.reporter.hurry()
        for held in parts.dispatch.close():
            parts.poller.give_back(held)
        self._order(interrupt=False)
        # No message may be handed to a worker that is gone, so its last receive is waited for too.
        until = clock() + self._drain_seconds
        self._wait(parts.poller.join, until)
        self._wait(parts.dispatch.wait_until_idle, until)
        self._order(interrupt=True)
        until = clock() + FLUSH_SECONDS
        while not self._signals.empty():
            self._signals.get()
        self._wait(lambda seconds: parts.leases.wait_until_at_most(0, seconds), until)

    def _order(self, *, interrupt: bool) -> None:
        for held in self._parts.leases.all():
            held.orders.drain(interrupt=interrupt)

    def _wait(self, wait: Callable[[float], bool], until: float) -> None:
        """Call `wait` in short turns until it comes true, time is up, or a second signal came."""
        while clock() < until and self._signals.empty():
            if wait(min(_LOOK_SECONDS, until - clock())):
                return
