"""Answers that are bytes: API Gateway takes them for such only where the request's Accept names their type."""

import base64
from collections.abc import Callable
from typing import Annotated, Any

from aws_lambda_powertools.event_handler import (
    APIGatewayRestResolver,
    Depends,
    Request,
    Response,
)

from orchestrator.errors import NotAcceptable, cut
from rest.conditional import matches

OCTETS = "application/octet-stream"
"""The one entry of the template's BinaryMediaTypes."""


def asks_for_octets(request: Request) -> None:
    """Raise NotAcceptable where Accept's first type is another: the bytes would arrive as base64 text."""
    accept = request.headers.get("accept") or ""
    if accept.split(",")[0].split(";")[0].strip().lower() != OCTETS:
        raise NotAcceptable(
            f"this answer is {OCTETS}, the request accepts {cut(accept) or 'nothing in particular'}",
            action=f"Send Accept: {OCTETS}, and nothing before it.",
        )


def if_none_match(request: Request) -> str | None:
    """Return the header of that name."""
    return request.headers.get("if-none-match")


AsksForOctets = Annotated[None, Depends(asks_for_octets)]
IfNoneMatch = Annotated[str | None, Depends(if_none_match)]


def tagged(tag: str) -> dict[str, str | list[str]]:
    """Return the headers of an answer that has a version."""
    return {"ETag": f'W/"{tag}"', "Cache-Control": "no-cache", "Vary": "Accept-Encoding"}


def not_modified(header: str | None, tag: str) -> Response[str] | None:
    """Return the 304 for who has this version, else None: asked before the answer is made."""
    if not matches(header, tag):
        return None
    return Response(status_code=304, body="", headers=tagged(tag))


def octets(body: bytes, tag: str) -> Response[str]:
    """Answer 200 with bytes, in gzip for who takes it, by a route with the middleware `as_octets`."""
    return Response(
        status_code=200,
        content_type=OCTETS,
        body=base64.b64encode(body).decode(),  # Powertools would read bytes as UTF-8 in between.
        headers=tagged(tag),
        compress=True,
    )


def as_octets(
    app: APIGatewayRestResolver, next_middleware: Callable[..., Response[Any]]
) -> Response[Any]:
    """Middleware: turn what `octets` wrote into bytes again; Powertools then tells API Gateway so."""
    response = next_middleware(app)
    if response.status_code == 200 and isinstance(response.body, str):
        response.body = base64.b64decode(response.body)
    return response
