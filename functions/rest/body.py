"""Strict JSON: what two parsers could read in two ways is refused, with place and reason."""

from __future__ import annotations

import base64
import binascii
import json
import re
from typing import Any, NoReturn

from orchestrator.errors import BadRequest, FieldError, PayloadTooLarge, cut
from orchestrator.spec import BODY_MAX_BYTES

DEPTH_MAX = 100
"""Every JSON library on a task's way, in any language, reads this deep."""
_SURROGATE = re.compile(r"[\ud800-\udfff]")
_ESCAPED_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
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
        value = json.loads(text, object_pairs_hook=_unique, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        near = text[max(0, error.pos - 10) : error.pos + 10]
        raise _refusal("body", f"not JSON at {place}: {error.msg}", near) from error
    except RecursionError as error:
        raise _nesting() from error
    except ValueError as error:  # An integer of more digits than Python converts.
        raise _refusal("body", "an integer must have at most 4300 digits", None) from error
    if not isinstance(value, dict):
        raise _refusal("body", "must be one JSON object", cut(text))
    if _too_deep(value):
        raise _nesting()
    if _ESCAPED_SURROGATE.search(text):
        _refuse_lone_surrogates(value)
    return value


def _refusal(field: str, rule: str, seen: str | None) -> BadRequest:
    return BadRequest(
        f"the body is refused: {rule}", action=_ACTION, fields=[FieldError(field, rule, seen)]
    )


def _nesting() -> BadRequest:
    return _refusal("body", f"must have at most {DEPTH_MAX} levels of nesting", None)


def _check_text(text: str) -> None:
    if len(text) > BODY_MAX_BYTES or len(text.encode(errors="replace")) > BODY_MAX_BYTES:
        raise PayloadTooLarge(
            f"the body has more than {BODY_MAX_BYTES} bytes",
            action="Send fewer or smaller items, or keep large inputs in S3 and send their keys.",
            fields=[
                FieldError("body", f"at most {BODY_MAX_BYTES} bytes", f"{len(text)} characters")
            ],
        )


def _too_deep(value: dict[str, Any]) -> bool:
    level: list[Any] = [value]
    for _ in range(DEPTH_MAX):
        level = [
            child
            for node in level
            for child in (node.values() if isinstance(node, dict) else node)
            if isinstance(child, (dict, list))
        ]
        if not level:
            return False
    return True


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise _refusal(cut(key), "a key may be there only once in an object", cut(key))
            seen.add(key)
    return members


def _refuse_constant(name: str) -> NoReturn:
    raise _refusal("body", f"numbers must be finite: {name} is not JSON", name)


def _refuse_lone_surrogates(value: dict[str, Any]) -> None:
    """Refuse half a character, an escape from d800 to dfff alone: UTF-8 cannot hold it."""
    if _SURROGATE.search(json.dumps(value, ensure_ascii=False)):
        raise _refusal("body", "escapes name whole characters, not half a surrogate pair", None)
