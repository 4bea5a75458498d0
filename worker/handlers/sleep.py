"""sleep: takes as long as it is told; for trying out cancelling, time-outs, draining and scaling."""

import random
import time
from dataclasses import dataclass
from typing import Annotated, ClassVar

from annotated_types import Interval

from worker import Context, Json, Task, handler

_STEP_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class SleepInput:
    """How long; `jitter` adds up to that fraction of it, at random."""

    __pydantic_config__: ClassVar = {"extra": "forbid"}

    seconds: Annotated[float, Interval(ge=0, le=3600)]
    jitter: Annotated[float, Interval(ge=0, le=1)] = 0.0


@handler("sleep", input=SleepInput)
def run(task: Task[SleepInput], context: Context) -> dict[str, Json]:
    """Sleep in small steps, ending early if the job is stopped. Returns the seconds slept."""
    seconds = task.input.seconds * (1 + random.uniform(0, task.input.jitter))
    started = time.monotonic()
    while (left := seconds - (time.monotonic() - started)) > 0:
        context.raise_if_cancelled()
        context.progress(1 - left / seconds)
        time.sleep(min(_STEP_SECONDS, left))
    return {"slept_seconds": round(seconds, 3)}
