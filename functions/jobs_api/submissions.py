"""Routes around a submission: uploads, dry runs, bad lines. Few ask, so each loads its use case itself."""

from typing import Annotated

from aws_lambda_powertools.event_handler import Response, content_types
from aws_lambda_powertools.event_handler.openapi.params import Body, Path, Query

from orchestrator.model.sources import UploadIn
from orchestrator.policy import MAX_TIMEOUT_SECONDS
from orchestrator.spec import SubmitJobIn
from rest.encoded import encoded
from rest.resolver import WithCaller, WithDeps, make_router

router = make_router()


@router.post(
    "/api/v1/uploads",
    summary="Begin an upload",
    operation_id="beginUpload",
    tags=["submissions"],
    status_code=201,
    response_description="A presigned PUT, to be sent with exactly these headers; `key` is then a manifest's.",
)
def begin_upload(
    deps: WithDeps, caller: WithCaller, body: Annotated[UploadIn, Body()]
) -> Response[str]:
    """Say where a manifest goes, and sign the request that takes it there."""
    from orchestrator.service import uploads

    return Response(
        status_code=201,
        content_type=content_types.APPLICATION_JSON,
        body=uploads.begin_upload(deps, caller, body).model_dump_json(),
        headers={"Cache-Control": "no-store"},
    )


@router.post(
    "/api/v1/plans",
    summary="Dry run of a submission",
    operation_id="planSubmission",
    tags=["submissions"],
    description="Takes the body of a submit. Nothing is created.",
)
def plan_submission(
    deps: WithDeps,
    caller: WithCaller,
    body: Annotated[SubmitJobIn, Body()],
    task_seconds: Annotated[
        float | None,
        Query(gt=0, le=MAX_TIMEOUT_SECONDS, description="How long a task takes, about."),
    ] = None,
    slots: Annotated[
        int | None, Query(ge=1, le=1_000_000, description="How many tasks workers run at once.")
    ] = None,
) -> Response[str]:
    """Return total, five tasks, bad lines, requests, dollars, minutes and limits."""
    from orchestrator.service import estimate

    return encoded(
        estimate.plan_submission(deps, caller, body, task_seconds=task_seconds, slots=slots)
    )


@router.get(
    "/api/v1/jobs/<job_id>/bad-lines",
    summary="Bad lines of a job's manifest",
    operation_id="getBadLines",
    tags=["jobs"],
)
def get_bad_lines(
    deps: WithDeps,
    caller: WithCaller,
    job_id: Annotated[str, Path(description="Id of the job, a ULID.")],
) -> Response[str]:
    """Return how many lines are no tasks, and the first 100 of them."""
    from orchestrator.service import bad_lines

    return encoded(bad_lines.read_bad_lines(deps, caller, job_id))
