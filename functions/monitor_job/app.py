"""Lambda handler of MonitorJob."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from orchestrator.runtime import Event, machine_step
from orchestrator.service.monitor import monitor_job
from orchestrator.service.ports import Deps

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext


@machine_step
def handler(deps: Deps, event: Event, _: LambdaContext) -> Mapping[str, object]:
    """Leave the task token with the job; the step's output comes with the token, not from here."""
    monitor_job(deps, event["job_id"], event["gen"], event["exec"], event["token"])
    return {}
