"""Routes of workers, signed with their role's credentials (SigV4)."""

import re
from typing import Annotated

from aws_lambda_powertools.event_handler.openapi.params import Body, Path

from orchestrator.model.wire import (
    ClaimIn,
    ClaimOut,
    CompleteIn,
    CompleteOut,
    HeartbeatIn,
    HeartbeatOut,
    ReportStatus,
    SingleReport,
    Wire,
    WorkerId,
)
from orchestrator.service import beat, claim, report
from rest.resolver import WithDeps, WithSigner, make_router

router = make_router()
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9._-]")


class SingleStatus(Wire):
    """Answer of a single completion: what became of the report."""

    status: ReportStatus


@router.post(
    "/api/v1/tasks/claim",
    summary="Ask what is left to do of received messages",
    operation_id="claimTasks",
    tags=["workers"],
)
def claim_tasks(deps: WithDeps, body: Annotated[ClaimIn, Body()]) -> ClaimOut:
    """Answer for each job its state, for each message what is to be run of it."""
    return claim.claim(deps, body)


@router.post(
    "/api/v1/tasks/complete",
    summary="Report a batch of tasks",
    operation_id="completeTasks",
    tags=["workers"],
)
def complete_tasks(deps: WithDeps, body: Annotated[CompleteIn, Body()]) -> CompleteOut:
    """Take reports and tasks given back; repeating either is harmless."""
    return report.complete(deps, body)


@router.post(
    "/api/v1/tasks/<task_id>/complete",
    summary="Report one task",
    operation_id="completeTask",
    tags=["workers"],
)
def complete_task(
    deps: WithDeps,
    signer: WithSigner,
    task_id: Annotated[str, Path(description="Id of the task: {job_id}-{index}.")],
    body: Annotated[SingleReport, Body()],
) -> SingleStatus:
    """Take one report; the worker is named by who signed."""
    return SingleStatus(status=report.complete_one(deps, task_id, body, worker_name(signer)))


def worker_name(arn: str) -> str:
    """Return the last part of an IAM identity's ARN (a session or user name) as a worker's name."""
    name = _NOT_IN_NAMES.sub("-", re.split("[:/]", arn)[-1]).lstrip("._-")
    return name[:100] or "unknown"


@router.post(
    "/api/v1/workers/<worker_id>/heartbeat",
    summary="Say what a worker runs",
    operation_id="heartbeat",
    tags=["workers"],
)
def heartbeat(
    deps: WithDeps,
    worker_id: Annotated[WorkerId, Path(description="The worker's own name.")],
    body: Annotated[HeartbeatIn, Body()],
) -> HeartbeatOut:
    """Keep what a worker says; answer with its jobs' states, so that cancel reaches handlers."""
    return beat.heartbeat(deps, worker_id, body)
