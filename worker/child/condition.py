"""The state of a child's process that outlives a task: put back after each, so that none meets another's.

What cannot be put back (a lowered hard limit, closed standard streams, threads without end) makes the
child unfit: it ends after the task, and its successor takes over.
"""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import threading

THREADS_MAX = 32
"""Threads that tasks may leave behind in one process. Libraries keep some; a leak is bounded by this."""
_STREAMS = (1, 2)
_SIGNALS = [number for number in signal.valid_signals() if number < signal.SIGRTMIN]
_LIMITS = tuple(
    number
    for name, number in sorted(vars(resource).items())
    if name.startswith("RLIMIT_") and isinstance(number, int)
)


class Condition:
    """The folder, mask, signals, limits and streams that a child began with."""

    def __init__(self) -> None:
        self._folder = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._umask = _umask()
        self._blocked = signal.pthread_sigmask(signal.SIG_BLOCK, ())
        self._handlers = {number: signal.getsignal(number) for number in _SIGNALS}
        self._limits = {number: resource.getrlimit(number) for number in _LIMITS}
        self._streams = [_identity(fd) for fd in _STREAMS]
        self._threads = threading.active_count()

    def restore(self) -> bool:
        """Put back what a task may have changed; tell whether this process is fit for another."""
        try:
            self._restore_signals()
            self._restore_limits()
            os.umask(self._umask)
            os.fchdir(self._folder)
        except (OSError, ValueError):
            return False
        whole = [_identity(fd) for fd in _STREAMS] == self._streams
        return whole and threading.active_count() - self._threads <= THREADS_MAX

    def _restore_signals(self) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in self._handlers.items():
            if handler is not None and signal.getsignal(number) is not handler:
                signal.signal(number, handler)
        signal.pthread_sigmask(signal.SIG_SETMASK, self._blocked)

    def _restore_limits(self) -> None:
        for number, limits in self._limits.items():
            if resource.getrlimit(number) != limits:
                resource.setrlimit(number, limits)


def _umask() -> int:
    """Read the mask, which can only be read by setting it."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def _identity(fd: int) -> tuple[int, int] | None:
    with contextlib.suppress(OSError):
        found = os.fstat(fd)
        return found.st_dev, found.st_ino
    return None
