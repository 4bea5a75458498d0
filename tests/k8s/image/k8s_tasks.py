"""Handlers of the cluster's tests: they take time, memory, or remember how far they came."""

from __future__ import annotations

import os
import socket
import time

from pydantic import BaseModel

from worker import Context, Task, handler

_STEP_BYTES = 16 << 20


class Work(BaseModel):
    """What a task takes."""

    seconds: float = 0.0
    memory_bytes: int = 0
    grows: bool = False


@handler("k8s.work", input=Work)
def work(task: Task[Work], context: Context) -> dict[str, object]:
    """Take the memory, then the time; say who did it."""
    taken = bytearray()
    while task.input.grows and len(taken) < task.input.memory_bytes:
        taken += b"x" * _STEP_BYTES
        time.sleep(0.02)
    taken += bytearray(os.urandom(1)) * (task.input.memory_bytes - len(taken))
    until = time.monotonic() + task.input.seconds
    while time.monotonic() < until:
        time.sleep(0.05)
    return {
        "index": task.index,
        "attempt": task.attempt,
        "pod": socket.gethostname(),
        "bytes": len(taken),
    }
