"""Lambda handler of EnqueueTasks: a step of the machine, or an asynchronous call without `exec`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from orchestrator.runtime import Event, machine_step, seconds_left
from orchestrator.service.enqueue import enqueue_tasks
from orchestrator.service.ports import Deps

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext


@machine_step
def handler(deps: Deps, event: Event, context: LambdaContext) -> Mapping[str, object]:
    """Fill the queue up to the job's window; return {"cursor": n}."""
    return enqueue_tasks(
        deps,
        event["job_id"],
        event["gen"],
        seconds_left=seconds_left(context),
        in_machine=event.get("exec") is not None,
    )
