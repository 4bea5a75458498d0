"""The route that shows the fleet; what workers themselves call is in work_api."""

from typing import Annotated

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Query

from jobs_api.jobs import Cursor
from rest.encoded import encoded
from rest.resolver import WithCaller, WithDeps, make_router

router = make_router()


@router.get(
    "/api/v1/workers",
    summary="List workers",
    operation_id="listWorkers",
    tags=["fleet"],
    description="Who was heard of in the last 180 seconds. Tasks of other tenants are counted, not named.",
)
def list_workers(
    deps: WithDeps,
    caller: WithCaller,
    limit: Annotated[int, Query(ge=1, le=100, description="Workers on the page, at most.")] = 50,
    cursor: Cursor = None,
    schemas: Annotated[
        bool, Query(description="Also the JSON schemas of the handlers' inputs, each once.")
    ] = False,
) -> Response[str]:
    """List the living workers, what they can run, and what they run of the tenant's jobs."""
    from orchestrator.service import workers

    return encoded(workers.list_workers(deps, caller, limit=limit, cursor=cursor, schemas=schemas))
