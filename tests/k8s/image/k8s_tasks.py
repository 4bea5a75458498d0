"""Handlers of the cluster's tests: they take time, memory, or remember how far they came."""

from __future__ import annotations

import os
import socket
import time

from pydantic import BaseModel

from worker import Context, Task, handler


class Work(BaseModel):
    """What a task takes."""

    seconds: float = 0.0
    memory_bytes: int = 0


@handler("k8s.work", input=Work)
def work(task: Task[Work], context: Context) -> dict[str, object]:
    """Take the memory, then the time; say who did it."""
    taken = bytearray(os.urandom(1)) * task.input.memory_bytes
    until = time.monotonic() + task.input.seconds
    while time.monotonic() < until:
        time.sleep(0.05)
    return {
        "index": task.index,
        "attempt": task.attempt,
        "pod": socket.gethostname(),
        "bytes": len(taken),
    }
