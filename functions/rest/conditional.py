"""ETag and If-None-Match (RFC 9110, 13.1.2): a poller gets 304 while nothing has changed."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from typing import Any

from aws_lambda_powertools.event_handler import APIGatewayRestResolver, Response

_TAG = re.compile(r'(?:W/)?"([^"]*)"')


def conditional(
    app: APIGatewayRestResolver, next_middleware: Callable[..., Response[Any]]
) -> Response[Any]:
    """Middleware: give a 200 a weak ETag, or answer 304 where the caller has this version.

    The body is text by now: routes with this middleware answer by `encoded`.
    """
    response = next_middleware(app)
    if response.status_code != 200 or not isinstance(response.body, str):
        return response
    tag = hashlib.sha256(response.body.encode()).hexdigest()[:24]
    headers: dict[str, str | list[str]] = {"ETag": f'W/"{tag}"', "Cache-Control": "no-cache"}
    if matches(app.current_event.headers.get("If-None-Match"), tag):
        return Response(status_code=304, body="", headers=headers)
    response.headers.update(headers)
    return response


def matches(if_none_match: str | None, tag: str) -> bool:
    """Tell whether the header names `tag`; the comparison is weak, `*` is any version."""
    if if_none_match is None:
        return False
    return if_none_match.strip() == "*" or tag in _TAG.findall(if_none_match)
