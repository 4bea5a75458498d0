"""What a command starts and makes, ended and removed with it, however the command ends.

`Scope` is a context manager; beside it runs a small watching process (`python -m local.scope`) that
reads a pipe whose only writer is us. The pipe's end is our end, so what we still held is ended and
removed also when we could not (SIGKILL, a crash), on any system.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType

from local.errors import LocalError
from local.paths import ROOT, new_run, remove
from local.processes import Identity, identify, spawn, stop_groups


class ClosedError(LocalError):
    """The command is ending: nothing more is started."""


class Scope:
    """Starts processes and makes folders; its end is their end, unless they are kept."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._closed = False
        self._processes: dict[Identity, subprocess.Popen[bytes]] = {}
        self._folders: list[Path] = []
        self._watcher = subprocess.Popen(
            [sys.executable, "-m", "local.scope"],
            cwd=ROOT,
            env={"PATH": os.defpath, "PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE,
            start_new_session=True,
        )

    def folder(self, prefix: str, *, in_memory: bool = False) -> Path:
        """Make a private folder under `.local/run` (or in memory), removed at the end."""
        with self._lock:
            self._refuse_when_closed()
            folder = new_run(prefix, in_memory=in_memory)
            self._folders.append(folder)
            self._tell()
            return folder

    def spawn(
        self,
        command: Sequence[str | Path],
        *,
        env: Mapping[str, str],
        cwd: Path,
        log: Path | None,
    ) -> Identity:
        """Start a process in a session of its own."""
        with self._lock:
            self._refuse_when_closed()
            child = spawn(command, env=env, cwd=cwd, log=log)
            process = identify(child.pid) or Identity(child.pid, "")
            self._processes[process] = child
            self._tell()
            return process

    def run(
        self, command: Sequence[str | Path], *, env: Mapping[str, str], cwd: Path, log: Path | None
    ) -> int:
        """Run a command to its end and return its exit code; it ends early when the scope does."""
        process = self.spawn(command, env=env, cwd=cwd, log=log)
        code = self._processes[process].wait()
        self._forget([process])
        self._refuse_when_closed()
        return code

    def stop(self, processes: Iterable[Identity]) -> None:
        """End these processes now, each with its group."""
        chosen = list(processes)
        with self._lock:
            children = [
                self._processes[process] for process in chosen if process in self._processes
            ]
        stop_groups(chosen, children=children)
        self._forget(chosen)

    def discard(self, folder: Path) -> None:
        """Remove a folder now."""
        remove(folder)
        with self._lock:
            self._folders = [other for other in self._folders if other != folder]
            self._tell()

    @property
    def closed(self) -> bool:
        """Whether the command is ending."""
        return self._closed

    def keep(self) -> None:
        """Let all that runs outlive this command, with its folders."""
        with self._lock:
            self._processes.clear()
            self._folders.clear()
            self._tell()

    def close(self) -> None:
        """End and remove what is still held.

        All at once: a worker that waits for messages ends when the emulator does.
        """
        with self._lock:
            if self._closed:
                return
            self._closed = True
            held = list(self._processes)
        self.stop(held)
        for folder in list(self._folders):
            self.discard(folder)
        assert self._watcher.stdin is not None
        self._watcher.stdin.close()
        self._watcher.wait()

    def __enter__(self) -> Scope:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _refuse_when_closed(self) -> None:
        if self._closed:
            raise ClosedError("Interrupted.")

    def _forget(self, processes: Iterable[Identity]) -> None:
        with self._lock:
            for process in processes:
                self._processes.pop(process, None)
            self._tell()

    def _tell(self) -> None:
        """Write all that is held, as one line; without a watcher we only lack the net."""
        held = {
            "processes": [[process.pid, process.started] for process in self._processes],
            "folders": [str(folder) for folder in self._folders],
        }
        assert self._watcher.stdin is not None
        try:
            self._watcher.stdin.write(json.dumps(held).encode() + b"\n")
            self._watcher.stdin.flush()
        except BrokenPipeError:
            return


def main() -> None:
    """Read until the writer is gone, then end and remove what its last line held."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    held: dict[str, list[list[str]]] = {"processes": [], "folders": []}
    for line in sys.stdin:
        held = json.loads(line)
    stop_groups(Identity(int(pid), started) for pid, started in held["processes"])
    for folder in held["folders"]:
        remove(Path(str(folder)))


if __name__ == "__main__":
    main()
