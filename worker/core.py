"""The worker: its parts started in order, and ended in two phases (drain, then hurry)."""

from __future__ import annotations

import signal
from collections.abc import Callable
from queue import Empty, SimpleQueue

from worker.clock import clock
from worker.log import Log
from worker.parts import Parts
from worker.pool.children import ChildUnusable

FLUSH_SECONDS = 5.0
"""After the drain: for the last reports, give-backs and deletes."""
_LOOK_SECONDS = 0.2
EXIT_DONE, EXIT_NO_HANDLERS = 0, 1
EXIT_SIGNAL = 128
"""Plus the signal's number, as shells have it: ended before its work was done."""


class Worker:
    """One worker process. `stop` may be called by a signal handler."""

    def __init__(
        self, parts: Parts, log: Log, drain_seconds: float, *, until_empty: bool = False
    ) -> None:
        self._parts = parts
        self._log = log
        self._drain_seconds = drain_seconds
        self._until_empty = until_empty
        # Its `put` may interrupt its own `get` or another `put`, as signal handlers do: an Event's
        # `set` may not.
        self._signals = SimpleQueue[int]()

    def stop(self, number: int = signal.SIGTERM) -> None:
        """End the worker: the first call lets running tasks end, the second does not wait for them."""
        self._signals.put(number)

    def run(self) -> int:
        """Work until stopped; return the exit code.

        0: drained, or with `until_empty` the queue was empty. 1: the handlers cannot be loaded. 128 and
        the signal's number: stopped while they were loaded, or, with `until_empty`, before it was.
        """
        parts = self._parts
        try:
            handlers = parts.start(lambda: not self._signals.empty())
        except ChildUnusable as error:
            self._log.error("not_started", reason=str(error))
            parts.close()
            return EXIT_NO_HANDLERS
        if handlers is None:
            parts.close()
            return self._ended(EXIT_SIGNAL + self._signals.get())
        self._log.info("started", slots=len(parts.slots), handlers=handlers)
        number = self._wait_until_told()
        self._drain()
        parts.close()
        unfinished = self._until_empty and number is not None
        return self._ended(EXIT_SIGNAL + (number or 0) if unfinished else EXIT_DONE)

    def _ended(self, code: int) -> int:
        self._log.info("ended", still_held=len(self._parts.leases.all()), exit_code=code)
        return code

    def _wait_until_told(self) -> int | None:
        """Wait for a signal and return it; None: the queue is empty, and that is the end.

        In short turns: the kernel may hand a signal to any thread, as it does while this one has not run
        since a SIGCONT. Python's handler runs in this one, and does not wake it.
        """
        while not self._parts.quiet.dry:
            try:
                return self._signals.get(timeout=_LOOK_SECONDS)
            except Empty:
                continue
        self._log.info("queue_empty")
        return None

    def _drain(self) -> None:
        parts = self._parts
        self._log.info("draining", held=len(parts.leases.all()), seconds=self._drain_seconds)
        parts.health.draining = True
        parts.stopping.set()
        parts.heart.drain()
        parts.reporter.hurry()
        for held in parts.dispatch.close():
            parts.handover.give_back(held)
        self._order(interrupt=False)
        # No message may be handed to a worker that is gone, so its last receives are waited for too.
        until = clock() + self._drain_seconds
        for poller in parts.pollers:
            self._wait(poller.join, until)
        parts.alone.return_all()
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
