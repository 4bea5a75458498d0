"""The keeper: one thread that, each second, does what must not wait for anything else."""

from __future__ import annotations

import threading
import traceback
from collections.abc import Callable, Sequence

from worker.health import Pulse
from worker.log import Log

TICK_SECONDS = 1.0


class Keeper:
    """Runs duties in turn; one that fails is logged and run again."""

    def __init__(
        self,
        duties: Sequence[Callable[[], None]],
        log: Log,
        pulse: Pulse,
        tick_seconds: float = TICK_SECONDS,
    ) -> None:
        self._duties = duties
        self._pulse = pulse
        self._log = log
        self._tick_seconds = tick_seconds
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="keeper", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def close(self) -> None:
        """End the thread."""
        self._closed.set()
        if self._thread.is_alive():
            self._thread.join()

    def _keep(self) -> None:
        self._pulse.begin()
        while not self._closed.wait(self._tick_seconds):
            self._pulse.beat()
            for duty in self._duties:
                try:
                    duty()
                except Exception:
                    self._log.error("keeper_failed", traceback=traceback.format_exc()[-3000:])
        self._pulse.end()
