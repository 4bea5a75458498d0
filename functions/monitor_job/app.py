"""Lambda handler of MonitorJob."""

from __future__ import annotations

from collections.abc import Mapping

from orchestrator.runtime import CallContext, Event, machine_step
from orchestrator.service.monitor import monitor_job
from orchestrator.service.ports import Deps


@machine_step
def handler(deps: Deps, event: Event, _: CallContext) -> Mapping[str, object]:
    """Leave the task token with the job; the step's output comes with the token, not from here."""
    monitor_job(deps, event["job_id"], event["gen"], event["exec"], event["token"])
    return {}
