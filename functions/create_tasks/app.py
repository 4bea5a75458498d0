"""Lambda handler of CreateTasks."""

from __future__ import annotations

from collections.abc import Mapping

from orchestrator.runtime import CallContext, Event, machine_step
from orchestrator.service.create import create_tasks
from orchestrator.service.ports import Deps


@machine_step
def handler(deps: Deps, event: Event, _: CallContext) -> Mapping[str, object]:
    """Open, or reopen, the leaves of one node; return {"node": n}."""
    return create_tasks(deps, event["job_id"], event["gen"], event["exec"], event["node"])
