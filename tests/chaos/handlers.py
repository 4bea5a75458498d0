"""The handler of the chaos run: it does what the plan says for its index and attempt."""

from __future__ import annotations

import os
import time

from pydantic import BaseModel, JsonValue

from tests.chaos.plan import (
    MEMORY_BYTES,
    TIMEOUT_SECONDS,
    ending_of,
    kind_of,
    result_of,
    seconds_of,
)
from worker import Context, PermanentError, Task, handler

_REFUSED_BYTES = 1 << 40
_EXIT_CODE = 7


class Seeded(BaseModel):
    """The job's parameters."""

    seed: int


@handler("chaos.task", parameters=Seeded)
def chaos(task: Task[object, Seeded], context: Context) -> JsonValue:
    """Sleep, then succeed, raise, exit, hang or burst."""
    seed = task.parameters.seed
    time.sleep(seconds_of(seed, task.index))
    ending = ending_of(seed, task.index)
    if ending.succeeds and task.attempt >= ending.attempt:
        return result_of(seed, task.index, task.attempt)  # type: ignore[return-value]
    return _misbehave(kind_of(seed, task.index), task.attempt)


def _misbehave(kind: str, attempt: int) -> JsonValue:
    if kind in ("crashes", "crashes_once"):
        os._exit(_EXIT_CODE)
    if kind == "bursts":
        return len(bytearray(_REFUSED_BYTES))
    if kind == "bursts_once":
        return _hold(MEMORY_BYTES * 5 // 4)
    if kind == "times_out":
        time.sleep(10 * TIMEOUT_SECONDS)
    if kind == "bad_result":
        return object()  # type: ignore[return-value]
    if kind == "refuses":
        raise PermanentError("no other try can help", type="Refused")
    raise RuntimeError(f"attempt {attempt} fails")


def _hold(size: int) -> JsonValue:
    """Use memory, more than a task may, until the worker ends this process."""
    held = b"x" * size
    time.sleep(TIMEOUT_SECONDS / 2)
    return len(held)
