"""A busy worker that kills or freezes itself, at any moment between and within its calls.

From inside, since only the worker's own calls tell when it is busy; a signal is the same from either
side. The supervisor around it starts it again, or wakes it up.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from typing import Any

from local.faults.dice import Dice

_INTERVAL_SECONDS = 5.0


class Held:
    """The messages whose lease this worker has, as its own calls show. Safe to use from all threads."""

    def __init__(self, lease_seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._lease_seconds = lease_seconds
        self._clock = clock
        self._lock = threading.Lock()
        self._until: dict[str, float] = {}

    def watch(self, on: str, params: dict[str, Any], answer: Any) -> None:
        """Take in a call that was made."""
        until = self._clock() + self._lease_seconds
        with self._lock:
            if on == "sqs.ReceiveMessage":
                for message in answer.get("Messages", []):
                    self._until[message["ReceiptHandle"]] = until
            elif on == "sqs.ChangeMessageVisibilityBatch":
                self._renew(params["Entries"], until)
            elif on == "sqs.DeleteMessageBatch":
                for entry in params["Entries"]:
                    self._until.pop(entry["ReceiptHandle"], None)

    def _renew(self, entries: list[dict[str, Any]], until: float) -> None:
        """A visibility that is not the lease's puts the message back."""
        for entry in entries:
            if entry["VisibilityTimeout"] == int(self._lease_seconds):
                self._until[entry["ReceiptHandle"]] = until
            else:
                self._until.pop(entry["ReceiptHandle"], None)

    def busy(self) -> bool:
        """Tell whether a lease lives."""
        with self._lock:
            now = self._clock()
            self._until = {receipt: at for receipt, at in self._until.items() if at > now}
            return bool(self._until)


def signal_for(dice: Dice, busy: bool) -> signal.Signals | None:
    """Decide what befalls a worker this time."""
    if not busy or not dice.armed:
        return None
    if dice.hits("kill_worker", "worker"):
        return signal.SIGKILL
    return signal.SIGSTOP if dice.hits("stop_worker", "worker") else None


def start(dice: Dice, held: Held) -> None:
    """Look every five seconds whether this process is to be killed or frozen, for as long as it lives."""

    def look() -> None:
        while True:
            time.sleep(_INTERVAL_SECONDS)
            number = signal_for(dice, held.busy())
            if number is not None:
                os.kill(os.getpid(), number)

    threading.Thread(target=look, name="faults", daemon=True).start()
