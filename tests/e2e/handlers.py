"""Handlers of the tests' own, loaded by the workers through HANDLERS."""

from __future__ import annotations

import os
import time
from pathlib import Path

from pydantic import BaseModel, JsonValue

from worker import Context, PermanentError, Task, handler


class Sized(BaseModel):
    """How large a result to return."""

    bytes: int


@handler("e2e.index")
def index(task: Task, context: Context) -> JsonValue:
    """Return the task's index and input."""
    return {"index": task.index, "input": task.input, "parameters": task.parameters}


@handler("e2e.odd")
def odd(task: Task, context: Context) -> JsonValue:
    """Fail for odd indexes while the job's parameters say so, for good."""
    if task.index % 2 and task.gen == 1:
        raise PermanentError("odd tasks fail at first", type="Odd")
    return task.index


@handler("e2e.flaky")
def flaky(task: Task, context: Context) -> JsonValue:
    """Fail on the first attempt."""
    if task.attempt == 1:
        raise RuntimeError("the first attempt fails")
    return task.attempt


@handler("e2e.crash")
def crash(task: Task, context: Context) -> JsonValue:
    """End the process under the third task's feet."""
    if task.index == 2:
        os._exit(7)
    return task.index


@handler("e2e.until_cancelled")
def until_cancelled(task: Task, context: Context) -> JsonValue:
    """Run until the job is cancelled."""
    while not context.cancelled:
        time.sleep(0.1)
    return "cancelled"


@handler("e2e.bimodal")
def bimodal(task: Task, context: Context) -> JsonValue:
    """Return at once, but for one task in a hundred: that one waits for the file that the parameters name."""
    while task.index % 100 == 0 and not Path(str(task.parameters)).exists():
        context.raise_if_cancelled()
        time.sleep(0.05)
    return task.index


@handler("e2e.sized", input=Sized)
def sized(task: Task[Sized], context: Context) -> JsonValue:
    """Return a text of the size asked for."""
    return "x" * task.input.bytes


@handler("e2e.witness")
def witness(task: Task, context: Context) -> JsonValue:
    """Leave a file when a run begins and another when it ends; every fourth task fails at first."""
    folder = Path(str(task.parameters))
    _mark(folder, "begin", task)
    time.sleep(0.3)
    _mark(folder, "end", task)
    if task.attempt == 1 and task.index % 4 == 0:
        raise RuntimeError("the first attempt fails")
    return task.attempt


def _mark(folder: Path, what: str, task: Task) -> None:
    """Write one file, named by the time: the runs of all workers, in order (one machine, one clock)."""
    name = f"{time.monotonic_ns():020d}-{what}-{task.index}-{task.attempt}"
    (folder / name).open("x").close()
