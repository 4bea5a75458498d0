"""Routes about the API itself, open to all: health, OpenAPI document, documentation page."""

import functools
import json
from typing import Literal

from aws_lambda_powertools.event_handler import Response, content_types
from pydantic import BaseModel, ConfigDict

from rest.resolver import make_router

router = make_router()
CACHE = "public, max-age=300"


class Health(BaseModel):
    """The function runs; what it depends on is told by its own routes."""

    model_config = ConfigDict(defer_build=True)

    status: Literal["ok"]


@router.get("/api/v1/health", summary="Health", operation_id="getHealth", tags=["meta"])
def health() -> Health:
    """Answer without touching anything."""
    return Health(status="ok")


@functools.cache
def _document() -> str:
    # Its generation imports half of Powertools: only who asks for it waits for it.
    from jobs_api.openapi import document

    return json.dumps(document(), separators=(",", ":"), ensure_ascii=False)


@router.get("/api/v1/openapi.json", include_in_schema=False, enable_validation=False)
def openapi() -> Response[str]:
    """Return the OpenAPI document."""
    return Response(
        status_code=200,
        content_type=content_types.APPLICATION_JSON,
        body=_document(),
        headers={"Cache-Control": CACHE},
    )


@functools.cache
def _page() -> str:
    from jobs_api.swagger import page

    return page(_document())


@router.get("/api/v1/docs", include_in_schema=False, enable_validation=False)
def docs() -> Response[str]:
    """Return Swagger UI; script and style are in the page, so it needs no other origin."""
    return Response(
        status_code=200,
        content_type="text/html; charset=utf-8",
        body=_page(),
        headers={"Cache-Control": CACHE, "X-Content-Type-Options": "nosniff"},
    )
