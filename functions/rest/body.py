"""Strict JSON: what two parsers could read in two ways is refused, with place and reason."""

from __future__ import annotations

import base64
import binascii
import json
import re
from itertools import accumulate
from typing import Any, NoReturn

from orchestrator.errors import BadRequest, FieldError, PayloadTooLarge, cut
from orchestrator.spec import BODY_MAX_BYTES

DEPTH_MAX = 100
"""Every JSON library on a task's way, in any language, reads this deep."""
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)
_NOT_BRACKETS = re.compile(r"[^\[\]{}]+")
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
        near = cut(text[error.pos : error.pos + 20])
        raise _refusal("body", f"not JSON at {place}: {error.msg}", near) from error
    except (ValueError, RecursionError) as error:
        # Integers of more digits than Python converts (4300), and nesting without closing brackets.
        raise _refusal("body", str(error), text[:20]) from error
    if not isinstance(value, dict):
        raise _refusal("body", "must be one JSON object", cut(json.dumps(value)))
    if _ESCAPED_SURROGATE.search(text):
        _refuse_lone_surrogates(value)
    return value


def _refusal(field: str, rule: str, seen: str | None) -> BadRequest:
    return BadRequest(
        f"the body is refused: {rule}", action=_ACTION, fields=[FieldError(field, rule, seen)]
    )


def _check_text(text: str) -> None:
    if len(text) > BODY_MAX_BYTES or len(text.encode(errors="replace")) > BODY_MAX_BYTES:
        raise PayloadTooLarge(
            f"the body has more than {BODY_MAX_BYTES} bytes",
            action="Send fewer or smaller items, or keep large inputs in S3 and send their keys.",
            fields=[
                FieldError("body", f"at most {BODY_MAX_BYTES} bytes", f"{len(text)} characters")
            ],
        )
    if text.count("[") + text.count("{") > DEPTH_MAX and _depth(text) > DEPTH_MAX:
        raise _refusal("body", f"at most {DEPTH_MAX} levels of nesting", None)


def _depth(text: str) -> int:
    """Return the deepest nesting of brackets outside strings."""
    brackets = _NOT_BRACKETS.sub("", _STRING.sub("", text))
    return max(accumulate(1 if bracket in "[{" else -1 for bracket in brackets), default=0)


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
