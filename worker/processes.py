"""Linux's ways to own processes: none of a task's processes outlives it, none outlives the worker.

Needs Linux, as the pool does, which watches its children by pidfd.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
from collections.abc import Callable, Collection, Iterator
from functools import cache
from pathlib import Path

from worker.cgroup import oom_events

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_ROUNDS = 5


def adopt_orphans() -> None:
    """Make this process the parent of descendants whose own parent ends."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def die_with_parent(parent: int) -> None:
    """Have the kernel kill this process when the thread that started it ends."""
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def _prctl(option: int, value: int) -> None:
    ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0)


def has_children() -> bool:
    """Tell whether this process has children, ended or not: one system call where it has none."""
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True


def kill_descendants(spare: Collection[int] = ()) -> None:
    """Kill and reap this process's children but `spare`, and theirs."""
    _kill_children(lambda pid: pid not in spare)


def kill_strays(spare: Collection[int]) -> None:
    """Kill and reap children of other sessions but `spare`: what tasks left, adopted when a child died.

    A pool's child begins a session, and nothing below it can come back to the worker's own; whatever
    else the worker starts (a library's helper) stays in that one.
    """
    own = os.getsid(0)
    _kill_children(lambda pid: pid not in spare and _session_of(pid) != own)


def _session_of(pid: int) -> int | None:
    with contextlib.suppress(OSError):
        return os.getsid(pid)
    return None


def _kill_children(chosen: Callable[[int], bool]) -> None:
    """Kill and reap the chosen ones; killing one may hand its children to this process, hence the rounds."""
    for _ in range(_ROUNDS):
        found = [pid for pid in children_of(os.getpid()) if chosen(pid)]
        if not found:
            return
        for pid in found:
            _kill_tree(pid)
        for pid in found:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, 0)


def _kill_tree(root: int) -> None:
    for pid in (root, *descendants_of(root)):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)


def descendants_of(root: int) -> Iterator[int]:
    """Yield the processes below `root`, parents first."""
    for pid in children_of(root):
        yield pid
        yield from descendants_of(pid)


def children_of(pid: int) -> list[int]:
    """Return the children of all threads of a process; none where the kernel does not tell."""
    found = list[int]()
    with contextlib.suppress(OSError):
        for thread in os.listdir(f"/proc/{pid}/task"):
            with contextlib.suppress(OSError):
                text = Path(f"/proc/{pid}/task/{thread}/children").read_text(encoding="ascii")
                found += map(int, text.split())
    return found


def resident_bytes(root: int) -> int:
    """Return what a process and its descendants hold, 0 where the system does not tell."""
    return sum(map(_resident_bytes, (root, *descendants_of(root))))


def _resident_bytes(pid: int) -> int:
    try:
        with open(f"/proc/{pid}/statm", encoding="ascii") as statm:
            return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0


def oom_kills() -> int:
    """Return how often the kernel has killed in this process's cgroup for want of memory, else 0."""
    events = _oom_events()
    try:
        return _count_of("oom_kill", events.read_text(encoding="ascii")) if events else 0
    except OSError:
        return 0


@cache
def _oom_events() -> Path | None:
    """Look for the file once: it is read before and after tasks, and a process keeps its cgroup."""
    return oom_events()


def _count_of(name: str, text: str) -> int:
    counts = dict(line.split() for line in text.splitlines() if line.count(" ") == 1)
    return int(counts.get(name, 0))
