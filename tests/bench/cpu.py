"""CPU time of a stack's processes, as the kernel counts it: other programs' load is not in it."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from local.stack import Running

EMULATOR, WORKERS, CHILDREN = "emulator", "workers", "workers' children"
_TICKS = os.sysconf("SC_CLK_TCK")
_FUNCTION = "AWS_LAMBDA_FUNCTION_NAME="


def read(running: Running) -> Counter[str]:
    """Return the CPU milliseconds so far: emulator, functions by name, workers, their handlers' processes.

    A process that has ended is counted with whoever waited for it. Linux alone tells; nothing is told of
    an emulator that somebody else runs.
    """
    used: Counter[str] = Counter()
    names = {physical: logical for logical, physical in running.stack.functions.items()}
    if running.emulator is not None:
        used[EMULATOR] += _milliseconds(running.emulator.pid)
        for pid in _descendants(running.emulator.pid):
            function = _function_of(pid)
            used[names.get(function, EMULATOR)] += _milliseconds(pid)
    for worker in running.workers:
        used[WORKERS] += _milliseconds(worker.pid)
        for pid in _descendants(worker.pid):
            used[CHILDREN] += _milliseconds(pid)
    return used


def of_tree(pid: int) -> int:
    """Return the CPU milliseconds so far of a process, perhaps ended but unwaited for, and all below it."""
    return _milliseconds(pid) + sum(map(_milliseconds, _descendants(pid)))


def since(after: Counter[str], before: Counter[str]) -> Counter[str]:
    """Return what came between two readings."""
    return after - before


def print_per_task(used: Counter[str], tasks: int) -> None:
    """Print the CPU milliseconds a task by process, the largest first."""
    print(f"  CPU ms a task       {used.total() / tasks:9.3f} on {os.cpu_count()} cores")
    for name, milliseconds in used.most_common():
        print(f"    {name:<18}{milliseconds / tasks:9.3f}")


def _milliseconds(pid: int) -> int:
    """Return the user and system time of a process and of its children that it has waited for."""
    with suppress(OSError):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return sum(map(int, fields[11:15])) * 1000 // _TICKS
    return 0


def _function_of(pid: int) -> str:
    """Return the function that the emulator started this process for, empty where for none."""
    with suppress(OSError):
        for variable in Path(f"/proc/{pid}/environ").read_text(errors="replace").split("\0"):
            if variable.startswith(_FUNCTION):
                return variable.removeprefix(_FUNCTION)
    return ""


def _descendants(root: int) -> Iterator[int]:
    with suppress(OSError):
        for thread in os.listdir(f"/proc/{root}/task"):
            for pid in Path(f"/proc/{root}/task/{thread}/children").read_text().split():
                yield int(pid)
                yield from _descendants(int(pid))
