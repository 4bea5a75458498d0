"""The resolver of a REST function: validation, CORS, and every error as a problem.

Annotations are not postponed here and in the routes: Powertools reads them at each request, and text
would be compiled each time.
"""

from collections.abc import Callable
from typing import Annotated, Any

from aws_lambda_powertools.event_handler import (
    APIGatewayRestResolver,
    CORSConfig,
    Depends,
    Request,
    Response,
)
from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.exceptions import NotFoundError
from aws_lambda_powertools.event_handler.openapi.exceptions import RequestValidationError

from orchestrator import runtime
from orchestrator.errors import FieldError, InvalidField, NotFound, Problem, Unauthorized, cut
from orchestrator.model.items import Role
from orchestrator.service.access import Caller
from orchestrator.service.ports import Deps
from rest.body import read_json
from rest.problems import answer_problem, invalid_fields

PREFLIGHT_SECONDS = 600


def make_resolver() -> APIGatewayRestResolver:
    """Return a resolver without routes."""
    app = APIGatewayRestResolver(
        enable_validation=True,
        json_body_deserializer=read_json,
        cors=CORSConfig(
            allow_origin=runtime.allowed_origin(),
            allow_headers=["Idempotency-Key", "If-None-Match"],
            expose_headers=["ETag", "Location", "Retry-After"],
            max_age=PREFLIGHT_SECONDS,
        ),
    )
    app.use(middlewares=[known_parameters])

    _answer_errors(app)
    return app


def make_router() -> Router:
    """Return a router: a part of a resolver's routes."""
    return Router()  # type: ignore[no-untyped-call]


def _answer_errors(app: APIGatewayRestResolver) -> None:
    def tell(problem: Problem) -> Response[str]:
        return answer_problem(problem, app.current_event.request_context.request_id or "")

    def tell_invalid(error: RequestValidationError) -> Response[str]:
        return tell(invalid_fields(error.errors()))

    def tell_not_found(_: NotFoundError) -> Response[str]:
        event = app.current_event
        route = f"{event.http_method} {cut(event.path)}"
        action = "GET /api/v1/docs lists the routes."
        return tell(NotFound(f"there is no route {route}", action=action))

    app.exception_handler(Problem)(tell)
    app.exception_handler(RequestValidationError)(tell_invalid)
    app.exception_handler(NotFoundError)(tell_not_found)


def known_parameters(
    app: APIGatewayRestResolver, next_middleware: Callable[..., Response[Any]]
) -> Response[Any]:
    """Middleware: refuse query parameters that the route does not know; a typo is not a filter."""
    sent, route = app.current_event.query_string_parameters, app.context["_route"]
    # A preflight and an unknown path get a route of Powertools' own.
    if sent and route.func.__module__ != APIGatewayRestResolver.__module__:
        known = {field.alias for field in route.dependant.query_params}
        unknown = [
            FieldError(name, "the route has no such query parameter", cut(sent[name]))
            for name in sorted(sent.keys() - known)
        ]
        if unknown:
            raise InvalidField(
                f"unknown query parameters: {', '.join(cut(field.field) for field in unknown)}",
                action=f"This route knows: {', '.join(sorted(known)) or 'none'}.",
                fields=unknown,
            )
    return next_middleware(app)


def caller_of(request: Request) -> Caller:
    """Return who asks, as the authorizer found. Raises Unauthorized."""
    found = request.resolved_event["requestContext"].get("authorizer") or {}
    if "tenant" not in found:
        raise Unauthorized("no key was given", action="Send Authorization: Bearer <key>.")
    return Caller(found["tenant"], Role(found["role"]), found["key_id"])


def signer_of(request: Request) -> str:
    """Return the IAM identity that signed the request."""
    identity = request.resolved_event["requestContext"].get("identity") or {}
    return str(identity.get("userArn") or identity.get("caller") or "unknown")


def request_id_of(request: Request) -> str:
    """Return API Gateway's id of the request."""
    return str(request.resolved_event["requestContext"].get("requestId", ""))


def provide_deps() -> Deps:
    """Return what the use cases reach."""
    return runtime.deps()


WithDeps = Annotated[Deps, Depends(provide_deps)]
WithCaller = Annotated[Caller, Depends(caller_of)]
WithSigner = Annotated[str, Depends(signer_of)]
WithRequestId = Annotated[str, Depends(request_id_of)]
