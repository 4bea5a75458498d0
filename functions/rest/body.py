"""Strict JSON: what two parsers could read in two ways is refused, with place and reason."""

from __future__ import annotations

import base64
import binascii
import json
from typing import Any

from orchestrator.errors import BadRequest, FieldError, PayloadTooLarge, cut
from orchestrator.model.strict_json import NotStrict, parse_strict
from orchestrator.spec import BODY_MAX_BYTES

_ACTION = "Send one JSON object, UTF-8, as RFC 8259 defines it."


def decode_body(body: str, *, is_base64: bool) -> str:
    """Return the text of an event's body. Raises BadRequest where it is not UTF-8."""
    if not is_base64:
        return body
    try:
        return base64.b64decode(body, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError) as error:
        raise BadRequest(f"the body is not UTF-8: {error}", action=_ACTION) from error


def read_json(text: str) -> dict[str, Any]:
    """Read a body that must be one JSON object. Raises BadRequest, PayloadTooLarge."""
    _check_text(text)
    try:
        value = parse_strict(text)
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        near = text[max(0, error.pos - 10) : error.pos + 10]
        raise _refusal("body", f"not JSON at {place}: {error.msg}", near) from error
    except NotStrict as error:
        raise _refusal(error.key or "body", error.rule, error.seen) from error
    if not isinstance(value, dict):
        raise _refusal("body", "must be one JSON object", cut(text))
    return value


def _refusal(field: str, rule: str, seen: str | None) -> BadRequest:
    return BadRequest(
        f"the body is refused: {rule}", action=_ACTION, fields=[FieldError(field, rule, seen)]
    )


def _check_text(text: str) -> None:
    if len(text) > BODY_MAX_BYTES or len(text.encode(errors="replace")) > BODY_MAX_BYTES:
        raise PayloadTooLarge(
            f"the body has more than {BODY_MAX_BYTES} bytes",
            action="Upload the tasks (POST /api/v1/uploads) and submit them as a manifest.",
            fields=[
                FieldError("body", f"at most {BODY_MAX_BYTES} bytes", f"{len(text)} characters")
            ],
        )
