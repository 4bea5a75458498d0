"""Our processes, each known by pid and start time, so that no stranger is ever ended."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import NamedTuple

_POLL_SECONDS = 0.05
_KILL_WAIT_SECONDS = 3.0


class Identity(NamedTuple):
    """A process: `started` tells it from a later one that was given the same `pid`."""

    pid: int
    started: str


def _linux_stat(pid: int) -> list[str] | None:
    """Return the fields of /proc/<pid>/stat after the name (which may hold spaces and brackets)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (OSError, UnicodeDecodeError):
        return None


def _started(pid: int) -> str | None:
    """Return when `pid` started, None when it does not run (a zombie does not)."""
    if Path("/proc/self/stat").exists():
        fields = _linux_stat(pid)
        return None if fields is None or fields[0] in "ZX" else fields[19]
    line = subprocess.run(
        ["ps", "-o", "stat=,lstart=", "-p", str(pid)], capture_output=True, text=True, check=False
    ).stdout.strip()
    return None if not line or line.startswith("Z") else line.partition(" ")[2].strip()


def identify(pid: int) -> Identity | None:
    """Return the identity of a running process, None when no such process runs."""
    started = _started(pid)
    return None if started is None else Identity(pid, started)


def alive(process: Identity) -> bool:
    """Return whether this very process still runs."""
    return _started(process.pid) == process.started


def free_port() -> int:
    """Return a TCP port of 127.0.0.1 that nothing listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def port_is_free(port: int) -> bool:
    """Return whether `port` of 127.0.0.1 can be bound now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def spawn(
    command: Sequence[str | Path], *, env: Mapping[str, str], cwd: Path, log: Path | None
) -> subprocess.Popen[bytes]:
    """Start `command` in a session of its own, so that Ctrl-C reaches it only through us.

    Its output goes to `log`, or where ours goes.
    """
    with log.open("ab") if log else nullcontext() as output:
        return subprocess.Popen(
            [str(part) for part in command],
            env=dict(env),
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT if log else None,
            start_new_session=True,
        )


def _group_runs(pgid: int) -> bool:
    """Return whether any process of the group lives; Linux counts zombies, which we leave out."""
    try:
        os.killpg(pgid, 0)
    except (ProcessLookupError, PermissionError):
        return False
    if not Path("/proc/self/stat").exists():
        return True
    return any(
        (fields := _linux_stat(int(entry))) is not None
        and fields[2] == str(pgid)
        and fields[0] not in "ZX"
        for entry in os.listdir("/proc")
        if entry.isdigit()
    )


def _signal_group(pgid: int, number: signal.Signals) -> None:
    """Send a signal to every process of the group that is still there."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pgid, number)


def _wait(
    groups: set[int], seconds: float, reap: Mapping[int, subprocess.Popen[bytes]]
) -> set[int]:
    """Wait until the groups are gone, at most `seconds`; return those that are not."""
    until = time.monotonic() + seconds
    while True:
        for process in reap.values():
            process.poll()
        groups = {pgid for pgid in groups if _group_runs(pgid)}
        if not groups or time.monotonic() > until:
            return groups
        time.sleep(_POLL_SECONDS)


def stop_groups(
    leaders: Iterable[Identity],
    *,
    grace_seconds: float = 3.0,
    children: Iterable[subprocess.Popen[bytes]] = (),
) -> None:
    """End each leader's group: SIGTERM to the leader, SIGKILL to what is left after the grace.

    A leader that has gone is no proof that its group has. The id of a group is given to no new
    process while a member lives: so a group is left alone only when its leader's pid belongs to
    another process now.
    """
    reap = {child.pid: child for child in children}
    groups = set()
    for leader in leaders:
        now = identify(leader.pid)
        if now is not None and now != leader:
            continue
        groups.add(leader.pid)
        if now is not None:
            with suppress(ProcessLookupError):
                os.kill(leader.pid, signal.SIGTERM)
        else:
            _signal_group(leader.pid, signal.SIGKILL)
    for pgid in _wait(groups, grace_seconds, reap):
        _signal_group(pgid, signal.SIGKILL)
    _wait(groups, _KILL_WAIT_SECONDS, reap)
    for child in reap.values():
        child.poll()
