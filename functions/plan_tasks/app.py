"""Lambda handler of PlanTasks."""

from __future__ import annotations

from collections.abc import Mapping

from orchestrator.runtime import CallContext, Event, machine_step, seconds_left
from orchestrator.service.plan import plan_tasks
from orchestrator.service.ports import Deps


@machine_step
def handler(deps: Deps, event: Event, context: CallContext) -> Mapping[str, object]:
    """Return {"nodes": [...]}, the nodes to create; with "more" the step is to be repeated."""
    left = seconds_left(context)
    return plan_tasks(deps, event["job_id"], event["gen"], event["exec"], left)
