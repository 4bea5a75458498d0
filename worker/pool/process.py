"""One child process as the worker holds it: its socket, its tickets, its output, its end."""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from struct import Struct
from typing import Any

from worker.child.settings import ChildSettings
from worker.frames import BrokenFrame, Decoder, Frame, encode
from worker.processes import children_of, kill_strays, resident_bytes
from worker.tickets import Tickets

_CHUNK_BYTES = 64 * 1024
_READS_MAX = 16
"""Reads before the worker looks at the clock again, whatever a handler that logs without end sends."""
_EXIT_SECONDS = 1.0
_SEND_TIMEOUT = Struct("@ll").pack(10, 0)
"""Ten seconds, as the kernel's `struct timeval`."""
_alive: set[int] = set()
_others: set[int] = set()
"""Children of this process that were there before its first child of this kind."""
_birth_and_burial = threading.Lock()
"""Strays are told from new children by `_alive`, so no child starts while strays are looked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolSettings:
    """What all children share; of a worker's slots one has a child that `describes` the handlers' inputs."""

    sources: tuple[str, ...]
    data_bucket: str
    results_bucket: str
    memory_bytes: int
    scratch_root: str
    describes: bool = False


class ChildProcess:
    """A child in a session of its own; closed only by `bury`."""

    def __init__(self, settings: PoolSettings) -> None:
        self.tickets = Tickets.open()
        self.scratch = tempfile.mkdtemp(prefix="child-", dir=settings.scratch_root)
        self._socket, theirs = socket.socketpair()
        self._decoder = Decoder()
        self.gone = False
        with _birth_and_burial:
            _note_others()
            self._process = _start(settings, theirs.fileno(), self)
            _alive.add(self._process.pid)
        theirs.close()
        self._exit_fd = os.pidfd_open(self._process.pid)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, _SEND_TIMEOUT)
        assert self._process.stdout is not None
        self._output = self._process.stdout
        os.set_blocking(self._output.fileno(), False)
        self._poll = select.poll()
        self._ready = set[int]()
        for fd in (self._socket.fileno(), self._output.fileno(), self._exit_fd):
            self._poll.register(fd, select.POLLIN)

    @property
    def pid(self) -> int:
        """The process id, which is also its group's and its session's."""
        return self._process.pid

    def wait(self, wake_fd: int, timeout_seconds: float) -> None:
        """Wait until the child says something or ends, `wake_fd` is written to, or time is up."""
        self._poll.register(wake_fd, select.POLLIN)
        self._ready = {fd for fd, _ in self._poll.poll(max(timeout_seconds, 0) * 1000)}
        if wake_fd in self._ready:
            os.read(wake_fd, _CHUNK_BYTES)

    def send(self, header: dict[str, Any]) -> None:
        """Send a frame; a child that is gone, or reads nothing, shows itself by `gone`."""
        try:
            self._socket.sendall(encode(header))
        except OSError:
            self.gone = True

    def frames(self) -> Iterator[Frame]:
        """Yield the frames that are there; `gone` is set when the child ended or broke the stream.

        A process that a handler forked may hold the socket open, so its end alone tells nothing.
        """
        exited = self._exit_fd in self._ready
        if not exited and self._socket.fileno() not in self._ready:
            return
        for _ in count() if exited else range(_READS_MAX):
            if self.gone:
                return
            try:
                data = self._socket.recv(_CHUNK_BYTES, socket.MSG_DONTWAIT)
                self.gone = not data
                yield from self._decoder.feed(data)
                if len(data) < _CHUNK_BYTES and not exited:
                    return
            except BlockingIOError:
                self.gone = exited
                return
            except (OSError, BrokenFrame):
                self.gone = True

    def exited(self) -> bool:
        """Tell whether the process has ended."""
        return bool(select.select([self._exit_fd], [], [], 0)[0])

    def output(self) -> bytes:
        """Return what the child printed and is there now, at most 64 KiB."""
        try:
            data = os.read(self._output.fileno(), _CHUNK_BYTES)
        except OSError:
            return b""
        if not data:
            # A handler closed its standard streams: an end that is always there would end every wait.
            with contextlib.suppress(KeyError):
                self._poll.unregister(self._output.fileno())
        return data

    def resident_bytes(self) -> int:
        """Return the memory that the child and its descendants hold."""
        return resident_bytes(self.pid)

    def signal(self, number: signal.Signals) -> None:
        """Signal the child's whole group."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, number)

    def bury(self) -> int | None:
        """Kill what is left of the child's group and its strays, and reap it.

        Return the exit code (negative: the signal), or None if it had to be killed here. The group is
        killed before the leader is reaped, while its number cannot be another's.
        """
        by_itself = select.select([self._exit_fd], [], [], _EXIT_SECONDS)[0]
        self.signal(signal.SIGKILL)
        with _birth_and_burial:
            code = self._process.wait()
            _alive.discard(self.pid)
            kill_strays(frozenset(_alive) | _others)
        return code if by_itself else None

    def end(self) -> None:
        """Kill the child if it lives, close all ends, remove the scratch folder."""
        if self._process.returncode is None:
            self.signal(signal.SIGKILL)
            self.bury()
        self._socket.close()
        self._output.close()
        self.tickets.close()
        os.close(self._exit_fd)
        shutil.rmtree(self.scratch, ignore_errors=True)


def _start(settings: PoolSettings, channel_fd: int, child: ChildProcess) -> subprocess.Popen[bytes]:
    passed = ChildSettings(
        channel_fd=channel_fd,
        tickets_fd=child.tickets.read_fd,
        parent=os.getpid(),
        sources=list(settings.sources),
        data_bucket=settings.data_bucket,
        results_bucket=settings.results_bucket,
        scratch=child.scratch,
        memory_bytes=settings.memory_bytes,
        describes=settings.describes,
    )
    return subprocess.Popen(
        [sys.executable, "-m", "worker.child", passed.dump()],
        pass_fds=(channel_fd, child.tickets.read_fd),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )


def _note_others() -> None:
    if not _alive:
        _others.clear()
        _others.update(children_of(os.getpid()))
