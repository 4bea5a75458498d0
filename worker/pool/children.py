"""The child of a slot: started ahead of need, checked before use, replaced when it died."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from orchestrator.errors import OrchestratorError
from worker.clock import Clock
from worker.log import Log
from worker.metrics import Meters
from worker.pool.orders import Wake
from worker.pool.process import ChildProcess, PoolSettings

START_SECONDS = 60.0
_TRIES = 3
_LOOK_SECONDS = 1.0


class ChildUnusable(OrchestratorError):
    """A child cannot load the handlers, or died while it tried."""


class Children:
    """One child at a time. Used by its slot's thread only: the child dies with that thread."""

    def __init__(self, settings: PoolSettings, log: Log, clock: Clock, meters: Meters) -> None:
        self._settings = settings
        self._restarts = meters.child_restarts
        self._log = log
        self._child: ChildProcess | None = None
        self._greeted = False
        self._look_at = 0.0
        self.wake = Wake()
        self.clock = clock
        self.handlers: tuple[str, ...] = ()
        self.schemas: dict[str, dict[str, Any]] = {}

    def warm(self) -> None:
        """Start the child, if there is none, without waiting for it."""
        if self._child is None:
            self._child = ChildProcess(self._settings)
            self._greeted = False

    def ready(self) -> ChildProcess | None:
        """Return a child that waits for work; None when none could be started in three tries."""
        for _ in range(_TRIES):
            try:
                return self.greeted()
            except ChildUnusable as error:
                self._log.error("child_unusable", reason=str(error))
        return None

    def greeted(self) -> ChildProcess:
        """Return a child that has loaded the handlers. Raises ChildUnusable."""
        if self._child is not None and self._child.exited():
            self.discard()
        self.warm()
        assert self._child is not None
        if not self._greeted:
            self._await_hello(self._child)
        return self._child

    def _await_hello(self, child: ChildProcess) -> None:
        deadline = self.clock() + START_SECONDS
        printed = b""
        while not child.gone and self.clock() < deadline:
            child.wait(self.wake.fd, deadline - self.clock())
            printed += child.output()
            for frame in child.frames():
                if frame.header["type"] == "hello":
                    self._greet(frame.header)
                    return
                if frame.header["type"] == "unusable":
                    self._give_up(frame.header["reason"])
        printed += child.output()
        self._give_up(f"it ended before it was ready: {printed.decode(errors='replace')[-2000:]}")

    def _greet(self, hello: dict[str, Any]) -> None:
        self._greeted = True
        self.handlers = tuple(hello["handlers"])
        if self._settings.describes:
            self.schemas = hello["schemas"]
            for handler, reason in hello["left_out"].items():
                self._log.warning("schema_left_out", handler=handler, reason=reason)
            # What the first child said, its successors need not say again.
            self._settings = replace(self._settings, describes=False)

    def _give_up(self, reason: str) -> None:
        self._bury()
        raise ChildUnusable(reason)

    def discard(self) -> None:
        """Close a child that died, and start its successor."""
        self._restarts.inc()
        self._bury()
        self.warm()

    def retire_if_above(self, limit_bytes: int) -> None:
        """Replace an idle child that keeps much memory, before a task is blamed for it.

        Looks now and then only: it costs as much as a short task.
        """
        if self._child is None or not limit_bytes or self.clock() < self._look_at:
            return
        self._look_at = self.clock() + _LOOK_SECONDS
        resident_bytes = self._child.resident_bytes()
        if resident_bytes > limit_bytes:
            self._log.info("child_retired", resident_bytes=resident_bytes)
            self.discard()

    def close(self) -> None:
        """End the child."""
        self._bury()

    def _bury(self) -> None:
        child, self._child = self._child, None
        if child is not None:
            child.end()
