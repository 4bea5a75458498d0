"""What Kubernetes does for a worker: `python -m local.faults.supervisor` starts it again when it dies.

It also wakes it up when it was frozen. The worker is in the supervisor's own process group, so that what
ends the one ends the other; a worker that ends by itself ends its supervisor, with the same exit code.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from types import FrameType

from local.faults.knobs import STOPPER
from worker.processes import adopt_orphans, kill_descendants

FREEZE_LEASES = 1.5
"""How many leases a frozen worker sleeps."""
RESTART_SECONDS = 0.5
_LEASE_SECONDS = 60.0


class Supervisor:
    """Keeps one worker alive until told to end, or until the worker ends by itself."""

    def __init__(
        self, command: Sequence[str], freeze_seconds: float, spare: frozenset[int] = frozenset()
    ) -> None:
        self._command = command
        self._freeze_seconds = freeze_seconds
        self._spare = spare
        self._worker = 0
        self._ending = False

    def run(self) -> int:
        """Run; return the worker's exit code (128 and more: a signal, as shells count)."""
        adopt_orphans()
        signal.signal(signal.SIGTERM, self._end)
        while True:
            status = self._one_life()
            if self._ending or not os.WIFSIGNALED(status):
                code = os.waitstatus_to_exitcode(status)
                return code if code >= 0 else 128 - code
            kill_descendants(self._spare)  # A handler's own processes may have outlived it.
            time.sleep(RESTART_SECONDS)
            if self._ending:
                return 0

    def _one_life(self) -> int:
        """Start the worker and return its wait status; wake it up whenever it was frozen."""
        self._worker = subprocess.Popen(self._command).pid
        if self._ending:  # The signal came before there was a worker to hand it to.
            self._signal(signal.SIGTERM)
        while True:
            _, status = os.waitpid(self._worker, os.WUNTRACED)
            if not os.WIFSTOPPED(status):
                self._worker = 0
                return status
            self._sleep()
            self._signal(signal.SIGCONT)

    def _sleep(self) -> None:
        until = time.monotonic() + self._freeze_seconds
        while not self._ending and time.monotonic() < until:
            time.sleep(0.1)

    def _end(self, number: int, _frame: FrameType | None) -> None:
        self._ending = True
        # In this order: a frozen worker finds it when it wakes up, and does not go on to sleep before.
        self._signal(signal.Signals(number))
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        if self._worker:
            with suppress(ProcessLookupError):
                os.kill(self._worker, number)


def main(environ: Mapping[str, str] = os.environ) -> int:
    """Supervise a worker; where the environment says so, have executions stopped as well."""
    stopper = None
    if environ.get(STOPPER):
        stopper = subprocess.Popen([sys.executable, "-m", "local.faults.stopper"])
    lease = float(environ.get("LEASE_SECONDS") or _LEASE_SECONDS)
    try:
        command = [sys.executable, "-m", "worker"]
        spare = frozenset({stopper.pid} if stopper is not None else ())
        return Supervisor(command, FREEZE_LEASES * lease, spare).run()
    finally:
        if stopper is not None:
            stopper.kill()
            stopper.wait()


if __name__ == "__main__":
    sys.exit(main())
