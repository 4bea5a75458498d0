"""Lambda handler of EnqueueTasks: a step of the machine, or an asynchronous call without `exec`."""

from __future__ import annotations

from collections.abc import Mapping

from orchestrator.runtime import CallContext, Event, machine_step, seconds_left
from orchestrator.service.enqueue import enqueue_tasks
from orchestrator.service.ports import Deps


@machine_step
def handler(deps: Deps, event: Event, context: CallContext) -> Mapping[str, object]:
    """Fill the queue up to the job's window; return {"cursor": n}."""
    return enqueue_tasks(
        deps,
        event["job_id"],
        event["gen"],
        seconds_left=seconds_left(context),
        in_machine=event.get("exec") is not None,
    )
