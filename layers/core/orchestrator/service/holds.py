"""Holds: of a job with `max_running`, an attempt of a task is run by the message that was claimed first.

Tasks are sent twice where somebody died between a send and its note. Elsewhere that is harmless, here two
handlers of one task would be one more than the cap allows. A message that comes second is dropped: the first
one is at a worker, or in the queue until its task is settled or given back.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from orchestrator.model.items import Hold
from orchestrator.model.wire import ClaimMessage, Unstarted
from orchestrator.policy import VISIBILITY_MAX_SECONDS
from orchestrator.service.ports import Deps

HOLD = timedelta(seconds=VISIBILITY_MAX_SECONDS)
"""Then nobody runs the task any more."""


def take_holds(deps: Deps, message: ClaimMessage, indexes: Iterable[int]) -> list[int]:
    """Return those of the tasks that this message may run."""
    return [
        index for index in indexes if deps.store.take_hold(_hold(deps, message, index), deps.now())
    ]


def drop_holds(deps: Deps, message: ClaimMessage | Unstarted, indexes: Iterable[int]) -> None:
    """Let go of tasks that this message will not run, before others are sent for them."""
    for index in indexes:
        deps.store.drop_hold(_hold(deps, message, index))


def _hold(deps: Deps, message: ClaimMessage | Unstarted, index: int) -> Hold:
    return Hold(
        job_id=message.job,
        index=index,
        gen=message.gen,
        attempt=message.attempt,
        message_id=message.message_id,
        until=deps.now() + HOLD,
    )
