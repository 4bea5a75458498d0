"""Errors as answers: application/problem+json (RFC 9457)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from aws_lambda_powertools.event_handler import Response

from orchestrator.errors import FieldError, InvalidField, Problem, cut

CONTENT_TYPE = "application/problem+json"
ERRORS_MAX = 20
"""Field errors shown: enough to act on, and bounded whatever was sent."""
RETRY_AFTER_SECONDS = 5
PATH_MAX_CHARS = 200
_RULES = {
    "missing": "is required",
    "extra_forbidden": "is not a known field",
    "model_type": "must be an object",
    "model_attributes_type": "must be an object",
    "too_short": "must have at least {min_length}",
    "too_long": "must have at most {max_length}",
    "string_too_short": "must have at least {min_length} characters",
    "string_too_long": "must have at most {max_length} characters",
}
"""Plainer words for some of pydantic's; the others stay as they are."""


def answer_problem(problem: Problem, request_id: str) -> Response[str]:
    """Return the answer that tells `problem`."""
    headers: dict[str, str | list[str]] = {"Cache-Control": "no-store"}
    if problem.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    if problem.status == 429:
        headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
    return Response(
        status_code=problem.status,
        content_type=CONTENT_TYPE,
        body=json.dumps(problem.body(f"urn:request:{request_id}"), ensure_ascii=False),
        headers=headers,
    )


def invalid_fields(errors: Sequence[Mapping[str, Any]]) -> InvalidField:
    """Return the problem that tells what validation found."""
    fields = [_field_error(error) for error in errors[:ERRORS_MAX]]
    names = ", ".join(dict.fromkeys(field.field for field in fields))
    more = f" and {len(errors) - ERRORS_MAX} more" if len(errors) > ERRORS_MAX else ""
    one = f"{names}: {fields[0].rule}"
    return InvalidField(
        one if len(fields) == 1 else f"these fields are wrong: {names}{more}",
        action="Correct the fields named in `errors`; GET /api/v1/docs shows what each takes.",
        fields=fields,
    )


def _field_error(error: Mapping[str, Any]) -> FieldError:
    kind = error["type"]
    plain = _RULES.get(kind, "").format_map(error.get("ctx") or {})
    rule = plain or str(error["msg"]).removeprefix("Value error, ")
    # Where a field is missing, pydantic gives the whole object around it.
    seen = None if kind == "missing" else show(error.get("input"))
    return FieldError(cut(field_path(error["loc"]), PATH_MAX_CHARS), rule, seen)


def show(value: object) -> str:
    """Return a value as the sender wrote it, in JSON, cut to 80 characters."""
    return cut(value if isinstance(value, str) else json.dumps(value, default=str))


def field_path(loc: Sequence[str | int]) -> str:
    """Return where a field is: ("body", "tasks", "items", 3) is `tasks.items[3]`."""
    where, *rest = loc
    path = ""
    for step in rest:
        path += f"[{step}]" if isinstance(step, int) else f".{step}" if path else str(step)
    return path or str(where)
