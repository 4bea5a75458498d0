"""Linux's ways to own processes: none of a task's processes outlives it, none outlives the worker.

Needs Linux, as the pool does, which watches its children by pidfd.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
from collections.abc import Iterator
from pathlib import Path

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


def kill_descendants(spare: frozenset[int] = frozenset(), mark: bytes = b"") -> None:
    """Kill and reap this process's children but `spare`, and theirs.

    With a `mark`, only those whose environment holds it: others are not of a task. Killing one may
    hand its children to this process, hence the rounds.
    """
    for _ in range(_ROUNDS):
        found = [
            pid for pid in children_of(os.getpid()) if pid not in spare and _is_marked(pid, mark)
        ]
        if not found:
            return
        for pid in found:
            _kill_tree(pid)
        for pid in found:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, 0)


def _is_marked(pid: int, mark: bytes) -> bool:
    """Tell whether a process is a task's; one that ended has no environment left, but its session."""
    try:
        environment = Path(f"/proc/{pid}/environ").read_bytes()
        return mark in environment or (not environment and os.getsid(pid) != os.getsid(0))
    except OSError:
        return False


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
