"""Tickets: a byte in a pipe for each task that the child may still begin.

Both sides can read the pipe and each byte is read once, so the worker takes tasks back (a slow
message, a drain, a cancel) by reading their bytes, without asking a child that may be busy in C.
"""

from __future__ import annotations

import os


class Tickets:
    """Both ends of the pipe; the worker grants and takes back, the child takes one a task."""

    def __init__(self, read_fd: int, write_fd: int = -1) -> None:
        self.read_fd = read_fd
        self.write_fd = write_fd

    @classmethod
    def open(cls) -> Tickets:
        """Make the pipe. Reading from it never waits."""
        read_fd, write_fd = os.pipe()
        os.set_blocking(read_fd, False)
        return cls(read_fd, write_fd)

    def grant(self, count: int) -> None:
        """Let the child begin `count` more tasks (a pipe holds far more than a message's 250)."""
        os.write(self.write_fd, b"t" * count)

    def take(self, count: int) -> int:
        """Take up to `count` tickets and return how many there were."""
        try:
            return len(os.read(self.read_fd, count))
        except BlockingIOError:
            return 0

    def close(self) -> None:
        """Close both ends."""
        os.close(self.read_fd)
        os.close(self.write_fd)
