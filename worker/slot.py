"""A slot: one thread, its child, and one message at a time."""

from __future__ import annotations

import threading
import traceback
from collections.abc import Callable
from typing import Any

from worker.dispatch import Dispatch
from worker.executor import Executor
from worker.health import Pulse
from worker.held import Held
from worker.leases import Leases
from worker.log import Log
from worker.pool.children import Children, ChildUnusable


class Slot:
    """Takes messages until the dispatch is closed; the child lives and dies with its thread."""

    def __init__(
        self,
        *,
        number: int,
        children: Children,
        executor: Executor,
        dispatch: Dispatch,
        leases: Leases,
        on_message: Callable[[Held], None],
        log: Log,
        memory_bytes: int,
        pulse: Pulse,
    ) -> None:
        self._pulse = pulse
        self._children = children
        self.executor = executor
        self._dispatch = dispatch
        self._leases = leases
        self._on_message = on_message
        self._log = log
        self._memory_bytes = memory_bytes
        self._started = threading.Event()
        self.failure: str | None = None
        self._thread = threading.Thread(target=self._run, name=f"slot-{number}", daemon=True)

    def start(self) -> None:
        """Start the thread, and in it the child."""
        self._thread.start()

    def await_start(self, timeout_seconds: float) -> bool:
        """Wait for the child; tell whether it has loaded the handlers. Raises ChildUnusable."""
        started = self._started.wait(timeout_seconds)
        if self.failure is not None:
            raise ChildUnusable(self.failure)
        return started

    @property
    def handlers(self) -> tuple[str, ...]:
        """The names of the handlers that the child has loaded."""
        return self._children.handlers

    @property
    def schemas(self) -> dict[str, dict[str, Any]]:
        """The JSON schemas of handlers' inputs, where this slot's child was to tell them."""
        return self._children.schemas

    def join(self, timeout_seconds: float) -> None:
        """Wait for the end of the thread and its child."""
        if self._thread.ident is not None:
            self._thread.join(timeout_seconds)

    def _run(self) -> None:
        try:
            self._children.greeted()
        except ChildUnusable as error:
            self.failure = str(error)
            return
        finally:
            self._started.set()
        self._pulse.begin()
        while (held := self._dispatch.take()) is not None:
            self._execute(held)
        self._pulse.end()
        self._children.close()

    def _execute(self, held: Held) -> None:
        try:
            self._on_message(held)
            self.executor.execute(held)
            self._children.retire_if_above(self._memory_bytes // 2)
        except Exception:
            # A fault of this worker, not of the task: leave the message to its redelivery.
            self._log.error("slot_failed", traceback=traceback.format_exc()[-3000:], **held.names)
            self._leases.release(held)
            self._children.discard()
        finally:
            self._dispatch.done(held)
