"""Handlers of the tests' own, loaded by the workers through HANDLERS."""

from __future__ import annotations

import os
import time

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


@handler("e2e.sized", input=Sized)
def sized(task: Task[Sized], context: Context) -> JsonValue:
    """Return a text of the size asked for."""
    return "x" * task.input.bytes
