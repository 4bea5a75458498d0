"""Ctrl-C, SIGTERM and SIGHUP end a command in the same orderly way, exactly once."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType

from local.errors import LocalError

_NUMBERS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_POLL_SECONDS = 0.5


class Interrupted(KeyboardInterrupt):
    """A signal asked the command to end."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.exit_code = 128 + number


def _on_signal(number: int, _frame: FrameType | None) -> None:
    """Raise in the main thread; what comes later must not disturb the clean-up."""
    for other in _NUMBERS:
        signal.signal(other, signal.SIG_IGN)
    raise Interrupted(number)


def _blocked_signals(pid: int) -> int:
    """Return the mask of the signals that `pid` blocks now; 0 where that cannot be seen."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1], 16) for line in lines if line.startswith("SigBlk:")), 0)


def _asked_to_end(make: int) -> bool:
    """Return whether make has gone, or waits in its signal handler for us to end.

    A signal sent to make alone is not passed on (only SIGTERM is): make blocks it and waits.
    """
    mask = sum(1 << (number - 1) for number in _NUMBERS)
    return os.getppid() != make or bool(_blocked_signals(make) & mask)


def _watch(make: int) -> None:
    """End with make; seen twice, since make blocks signals for a moment as it starts things."""
    seen = 0
    while seen < 2:
        time.sleep(_POLL_SECONDS)
        seen = seen + 1 if _asked_to_end(make) else 0
    os.kill(os.getpid(), signal.SIGTERM)


def install() -> None:
    """Turn the signals into Interrupted; under make, follow make's end too."""
    for number in _NUMBERS:
        signal.signal(number, _on_signal)
    if "MAKELEVEL" in os.environ:
        threading.Thread(target=_watch, args=[os.getppid()], daemon=True).start()


def exit_code(action: Callable[[], int]) -> int:
    """Run a command; return its exit code: 1 for an error, which is said, above 128 for a signal."""
    install()
    try:
        return action()
    except LocalError as error:
        print(f"\n{error}", file=sys.stderr)
        return 1
    except Interrupted as error:
        return error.exit_code
