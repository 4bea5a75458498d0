"""Validation of inputs and parameters by the types that a handler declares."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from worker.api import Json
from worker.invoke import InvalidInput

_RULES_SHOWN = 5


@cache
def adapter(declared: Any) -> TypeAdapter[Any]:
    """Return what validates a `declared`: made once a process."""
    return TypeAdapter(declared)


def validate(declared: Any, value: Json, what: str) -> Any:
    """Return `value` as a `declared`. Raises InvalidInput, naming each field and its rule.

    As JSON, not as Python values: so a strict model still takes a date or a path from a string.
    """
    try:
        return adapter(declared).validate_json(json.dumps(value))
    except ValidationError as error:
        details = error.errors(include_url=False, include_context=False)
        rules = [_rule(detail, what) for detail in details[:_RULES_SHOWN]]
        more = len(details) - len(rules)
        raise InvalidInput("; ".join(rules) + (f"; and {more} more" if more else "")) from error


def _rule(detail: ErrorDetails, what: str) -> str:
    field = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in detail["loc"])
    return f"{what}{field}: {detail['msg']}"
