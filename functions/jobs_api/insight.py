"""Routes that show what a job does: its grid, failures in groups, timeline, series, receipt."""

from typing import Annotated, Literal

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Query

from jobs_api.jobs import Cursor, JobIdPath
from orchestrator.model.states import TaskState
from rest.binary import AsksForOctets, IfNoneMatch, as_octets, not_modified, octets
from rest.conditional import conditional
from rest.encoded import encoded
from rest.resolver import WithCaller, WithDeps, make_router

router = make_router()
# What these routes import and answer is loaded by who asks: jobs_api.openapi says what they answer.


@router.get(
    "/api/v1/jobs/<job_id>/grid",
    summary="The state of every task",
    operation_id="getGrid",
    tags=["jobs"],
    description="Bytes: send Accept: application/octet-stream. docs/api.md has the format. ETag.",
    middlewares=[as_octets],
)
def get_grid(
    deps: WithDeps,
    caller: WithCaller,
    job_id: JobIdPath,
    accepted: AsksForOctets,  # noqa: ARG001 - raises
    known: IfNoneMatch,
    since: Annotated[
        str | None,
        Query(max_length=6_000, description="`version` of an answer before: changes only."),
    ] = None,
) -> Response[str]:
    """Return the states in at most two bits each, and with `since` only of leaves that changed."""
    from orchestrator.service import grid

    view = grid.open_grid(deps, caller, job_id, since)
    return not_modified(known, view.tag) or octets(grid.grid_body(deps, view), view.tag)


@router.get(
    "/api/v1/jobs/<job_id>/errors",
    summary="Failures in groups",
    operation_id="groupErrors",
    tags=["jobs"],
    description="Reads up to `limit` tasks. Pages add up by error_type and pattern.",
)
def group_errors(
    deps: WithDeps,
    caller: WithCaller,
    job_id: JobIdPath,
    state: Annotated[
        Literal["FAILED", "RETRYING"], Query(description="Of tasks in this state.")
    ] = "FAILED",
    limit: Annotated[int, Query(ge=1, le=1_000, description="Tasks read, at most.")] = 1_000,
    cursor: Cursor = None,
) -> Response[str]:
    """Group tasks by type and message of their last error, numbers and ids in it folded."""
    from orchestrator.service import error_groups

    return encoded(
        error_groups.group_errors(
            deps, caller, job_id, state=TaskState(state), limit=limit, cursor=cursor
        )
    )


@router.get(
    "/api/v1/jobs/<job_id>/events",
    summary="What happened to a job",
    operation_id="getEvents",
    tags=["jobs"],
    description="Oldest first, over all generations. Has an ETag.",
    middlewares=[conditional],
)
def get_events(deps: WithDeps, caller: WithCaller, job_id: JobIdPath) -> Response[str]:
    """Return when a job was submitted, planned, started, stopped, restarted, finished and retried."""
    from orchestrator.service import timeline

    return encoded(timeline.job_events(deps, caller, job_id))


@router.get(
    "/api/v1/jobs/<job_id>/series",
    summary="A job over time",
    operation_id="getSeries",
    tags=["jobs"],
    description="Counts over time, and durations of tasks from a sample. Has an ETag.",
    middlewares=[conditional],
)
def get_series(
    deps: WithDeps,
    caller: WithCaller,
    job_id: JobIdPath,
    gen: Annotated[
        int | None, Query(ge=1, description="The generation; the newest by default.")
    ] = None,
) -> Response[str]:
    """Return counts at moments of a generation and a histogram of durations."""
    from orchestrator.service import series

    return encoded(series.job_series(deps, caller, job_id, gen))


@router.get(
    "/api/v1/jobs/<job_id>/cost",
    summary="A job's receipt",
    operation_id="getCost",
    tags=["jobs"],
    description="An estimate at list prices. Each line says whether its number was counted.",
)
def get_cost(deps: WithDeps, caller: WithCaller, job_id: JobIdPath) -> Response[str]:
    """Return what a job has asked of AWS and of workers, and its price."""
    from orchestrator.service import receipt

    return encoded(receipt.job_receipt(deps, caller, job_id))
