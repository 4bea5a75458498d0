"""Routes of jobs: submit, list, read, tasks, results, audit, cancel, retry."""

from typing import Annotated

from aws_lambda_powertools.event_handler import Response, content_types
from aws_lambda_powertools.event_handler.openapi.params import Body, Header, Path, Query

from orchestrator.model.ids import MAX_TASKS, NODE_LEAVES
from orchestrator.model.states import JobState, TaskState
from orchestrator.model.wire import ERROR_TYPE_MAX_CHARS
from orchestrator.service import control, job_list, read, task_list
from orchestrator.service.job_list import JobFilter
from orchestrator.service.submit import submit_job
from orchestrator.service.views import JobOut, JobPage, ResultsOut, TaskOut, TaskPage
from orchestrator.spec import RetryJobIn, SubmitJobIn
from rest.conditional import conditional
from rest.encoded import answers, encoded
from rest.resolver import WithCaller, WithDeps, WithRequestId, make_router

router = make_router()

JobIdPath = Annotated[str, Path(description="Id of the job, a ULID.")]
IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=255,
        pattern=r"^[\x20-\x7e]+$",
        description="Repeating a request with the same key and body does it once.",
    ),
]
Cursor = Annotated[str | None, Query(max_length=500, description="next_cursor of the page before.")]
Limit = Annotated[int, Query(ge=1, le=100, description="Entries on the page, at most.")]


@router.post(
    "/api/v1/jobs",
    summary="Submit a job",
    operation_id="submitJob",
    tags=["jobs"],
    status_code=201,
    response_description="The job. 200 instead of 201 when the Idempotency-Key was seen before.",
)
def submit(
    deps: WithDeps,
    caller: WithCaller,
    request_id: WithRequestId,
    body: Annotated[SubmitJobIn, Body()],
    idempotency_key: IdempotencyKey = None,
) -> Response[JobOut]:
    """Create a job and start it."""
    job, created = submit_job(
        deps, caller, body, idempotency_key=idempotency_key, request_id=request_id
    )
    return Response(
        status_code=201 if created else 200,
        content_type=content_types.APPLICATION_JSON,
        body=job,
        # Relative (RFC 3986): right behind any stage, domain or CDN.
        headers={"Location": f"jobs/{job.job_id}", "Cache-Control": "no-store"},
    )


@router.get(
    "/api/v1/jobs",
    summary="List jobs",
    operation_id="listJobs",
    tags=["jobs"],
    responses=answers(JobPage),
)
def list_jobs(
    deps: WithDeps,
    caller: WithCaller,
    state: Annotated[JobState | None, Query(description="Only jobs in this state.")] = None,
    name: Annotated[
        str | None,
        Query(min_length=1, max_length=200, description="Only jobs whose name has this in it."),
    ] = None,
    tag: Annotated[
        list[str] | None,
        Query(
            max_length=20, description="Only jobs with this tag, `key:value` or `key`; repeatable."
        ),
    ] = None,
    limit: Limit = 20,
    cursor: Cursor = None,
) -> Response[str]:
    """List the tenant's jobs, newest first; with name or tag a page may end early, a null cursor is the end."""
    wanted = JobFilter(state=state, name=name, tags=tuple(tag or ()))
    return encoded(job_list.list_jobs(deps, caller, wanted, limit=limit, cursor=cursor))


@router.get(
    "/api/v1/jobs/<job_id>",
    summary="Read a job",
    operation_id="getJob",
    tags=["jobs"],
    description="Has an ETag; If-None-Match answers 304 while nothing has changed.",
    middlewares=[conditional],
    responses=answers(JobOut),
)
def get_job(deps: WithDeps, caller: WithCaller, job_id: JobIdPath) -> Response[str]:
    """Return one job with its counts."""
    return encoded(read.read_job(deps, caller, job_id))


@router.get(
    "/api/v1/jobs/<job_id>/tasks",
    summary="List a job's tasks",
    operation_id="listTasks",
    tags=["tasks"],
    responses=answers(TaskPage),
)
def list_tasks(
    deps: WithDeps,
    caller: WithCaller,
    job_id: JobIdPath,
    state: Annotated[TaskState | None, Query(description="Only tasks in this state.")] = None,
    error_type: Annotated[
        str | None,
        Query(
            min_length=1,
            max_length=ERROR_TYPE_MAX_CHARS,
            description="Only tasks whose newest error is of exactly this type.",
        ),
    ] = None,
    limit: Annotated[int, Query(ge=1, le=1_000, description="Tasks on the page, at most.")] = 50,
    cursor: Cursor = None,
) -> Response[str]:
    """List tasks by index; a page ends early where it would pass 1 MB, or has looked at 1,000 tasks' errors."""
    text = task_list.list_tasks(
        deps, caller, job_id, state=state, error_type=error_type, limit=limit, cursor=cursor
    )
    return encoded(text)


@router.get(
    "/api/v1/jobs/<job_id>/results",
    summary="Links to a finished job's results",
    operation_id="getResults",
    tags=["jobs"],
    cache_control="no-store",
)
def get_results(deps: WithDeps, caller: WithCaller, job_id: JobIdPath) -> ResultsOut:
    """Return presigned links to the JSONL parts and the manifest."""
    return read.job_results(deps, caller, job_id)


@router.get(
    "/api/v1/jobs/<job_id>/audit",
    summary="Audit a job",
    operation_id="auditJob",
    tags=["jobs"],
    description="One page checks up to 16,000 tasks; the job's verdict is the worst of its pages'.",
)
def audit_job(
    deps: WithDeps,
    caller: WithCaller,
    job_id: JobIdPath,
    first: Annotated[
        int | None, Query(ge=0, lt=MAX_TASKS, description="Begin at the leaf of this task.")
    ] = None,
    limit: Annotated[
        int, Query(ge=1, le=NODE_LEAVES, description="Leaves of 250 tasks, at most.")
    ] = NODE_LEAVES,
    cursor: Cursor = None,
) -> Response[str]:
    """Hold rows, sets, nodes, root, totals and results of a job against each other."""
    from orchestrator.service import audit  # 10 ms of import for a rare request.

    return encoded(audit.audit_job(deps, caller, job_id, first=first, limit=limit, cursor=cursor))


@router.get(
    "/api/v1/tasks/<task_id>",
    summary="Read a task",
    operation_id="getTask",
    tags=["tasks"],
    responses=answers(TaskOut),
)
def get_task(
    deps: WithDeps,
    caller: WithCaller,
    task_id: Annotated[str, Path(description="Id of the task: {job_id}-{index}.")],
) -> Response[str]:
    """Return one task with its attempts."""
    return encoded(read.read_task(deps, caller, task_id))


@router.post(
    "/api/v1/jobs/<job_id>/cancel",
    summary="Cancel a job",
    operation_id="cancelJob",
    tags=["jobs"],
    status_code=202,
)
def cancel_job(deps: WithDeps, caller: WithCaller, job_id: JobIdPath) -> JobOut:
    """Tell a job to stop; handlers hear it within a heartbeat."""
    return control.cancel_job(deps, caller, job_id)


@router.post(
    "/api/v1/jobs/<job_id>/retry",
    summary="Retry a job's tasks",
    operation_id="retryJob",
    tags=["jobs"],
    status_code=202,
)
def retry_job(
    deps: WithDeps,
    caller: WithCaller,
    request_id: WithRequestId,
    job_id: JobIdPath,
    body: Annotated[RetryJobIn, Body()] = RetryJobIn(),  # noqa: B008 - frozen
    idempotency_key: IdempotencyKey = None,
) -> JobOut:
    """Reopen a finished job for tasks that did not succeed: all, the FAILED, those listed, or by error type."""
    return control.retry_job(
        deps, caller, job_id, body, idempotency_key=idempotency_key, request_id=request_id
    )
