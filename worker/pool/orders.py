"""What other threads tell a slot about the message that it runs."""

from __future__ import annotations

import contextlib
import os


class Wake:
    """A pipe by which other threads end a slot's wait."""

    def __init__(self) -> None:
        self.fd, self._write_fd = os.pipe()
        os.set_blocking(self.fd, False)
        os.set_blocking(self._write_fd, False)

    def __call__(self) -> None:
        """End the wait, the present or the next one."""
        with contextlib.suppress(BlockingIOError):
            os.write(self._write_fd, b"w")


class Orders:
    """Flags that only ever go up; the slot looks at them whenever it wakes.

    lost: the lease is. cancelled: the job stopped, or a newer generation of it exists. give_back: run
    what has begun, return the rest. interrupt: return what has begun too. make_way: as give_back, but the
    worker goes on, so tasks are not told.
    """

    __slots__ = ("cancelled", "give_back", "interrupt", "lost", "make_way", "wake")

    def __init__(self) -> None:
        self.lost = False
        self.cancelled = False
        self.give_back = False
        self.interrupt = False
        self.make_way = False
        self.wake: Wake | None = None

    @property
    def hands_back(self) -> bool:
        """Tell whether what has not begun is to be returned."""
        return self.give_back or self.make_way

    def lose(self) -> None:
        """The lease is lost."""
        self.lost = True
        self._tell()

    def cancel(self) -> None:
        """The job wants no more of this message."""
        self.cancelled = True
        self._tell()

    def drain(self, *, interrupt: bool) -> None:
        """The worker is ending."""
        self.give_back = True
        self.interrupt = self.interrupt or interrupt
        self._tell()

    def hand_on(self) -> None:
        """An express message waits for the slot."""
        self.make_way = True
        self._tell()

    def _tell(self) -> None:
        if self.wake is not None:
            self.wake()
