"""Handlers that try the lease: deaf, stopped, breeding or merely long."""

from __future__ import annotations

import ctypes
import os
import signal
import time
from pathlib import Path

from worker import Context, Task, handler


@handler("lease.sleep")
def sleeps(task: Task, context: Context) -> None:
    context.progress(0.5)
    time.sleep(60)


@handler("lease.gil")
def holds_the_gil(task: Task, context: Context) -> None:
    """Be busy in C, so that no other thread of this process runs."""
    context.progress(0.5)
    ctypes.PyDLL(None).sleep(60)


@handler("lease.fork")
def forks(task: Task, context: Context) -> None:
    """Have a swarm of busy descendants."""
    for _ in range(3):
        if os.fork() == 0:
            os.setsid()
            time.sleep(60)
            os._exit(0)
    context.progress(0.5)
    time.sleep(60)


@handler("lease.stop")
def stops(task: Task, context: Context) -> None:
    """Be stopped, as by a debugger."""
    context.progress(0.5)
    os.kill(os.getpid(), signal.SIGSTOP)


@handler("lease.one")
def one_at_a_time(task: Task, context: Context) -> list[int]:
    """Note this run's process in the file that the input names; return which earlier ones still run.

    The first run goes on until it is killed, the second ends.
    """
    noted = Path(str(task.input))
    earlier = [int(line) for line in noted.read_text().split()] if noted.exists() else []
    with noted.open("a") as file:
        file.write(f"{os.getpid()}\n")
    context.progress(0.5)
    if not earlier:
        time.sleep(60)
    return [pid for pid in earlier if _lives(pid)]


def _lives(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


@handler("lease.cancelled")
def sees_the_cancel(task: Task, context: Context) -> str:
    """Return when the cancel is seen."""
    context.progress(0.5)
    while not context.cancelled:
        time.sleep(0.005)
    return "saw it"


@handler("lease.pid")
def tells_its_process(task: Task, context: Context) -> str:
    """Print the task's index and this process's id; end once the file that the input names exists."""
    print(task.index, os.getpid())  # noqa: T201
    while not Path(str(task.input)).exists():
        time.sleep(0.005)
    return "ended"
