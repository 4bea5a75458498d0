"""Strict JSON: what two parsers could read in two ways is refused."""

from __future__ import annotations

import json
import re
from math import isfinite
from typing import Any, NoReturn

from pydantic import JsonValue

from orchestrator.errors import cut

DEPTH_MAX = 100
"""Every JSON library on a task's way, in any language, reads this deep."""
_SURROGATE = re.compile(r"[\ud800-\udfff]")
_ESCAPED_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


class NotStrict(ValueError):
    """JSON that is refused: `rule` says what it must be, `seen` what was found; `key` is a key that repeats."""

    def __init__(self, rule: str, seen: str | None = None, key: str | None = None) -> None:
        super().__init__(rule)
        self.rule, self.seen, self.key = rule, seen, key


def parse_strict(text: str) -> JsonValue:
    """Read JSON: no repeated key, no NaN, at most 100 levels, whole characters (RFC 8259, section 4).

    Raises json.JSONDecodeError where it is no JSON at all, NotStrict where it breaks a rule.
    """
    try:
        value: JsonValue = json.loads(
            text,
            object_pairs_hook=_unique,
            parse_constant=_refuse_constant,
            parse_float=_finite,
        )
    except (json.JSONDecodeError, NotStrict):
        raise
    except RecursionError as error:
        raise _nesting() from error
    except ValueError as error:  # An integer of more digits than Python converts.
        raise NotStrict("an integer must have at most 4300 digits") from error
    if text.count("[") + text.count("{") > DEPTH_MAX and _too_deep(value):
        raise _nesting()
    if _ESCAPED_SURROGATE.search(text) and _SURROGATE.search(json.dumps(value, ensure_ascii=False)):
        raise NotStrict("escapes name whole characters, not half a surrogate pair")
    return value


def _nesting() -> NotStrict:
    return NotStrict(f"must have at most {DEPTH_MAX} levels of nesting")


def _too_deep(value: JsonValue) -> bool:
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
                raise NotStrict("a key may be there only once in an object", cut(key), cut(key))
            seen.add(key)
    return members


def _finite(text: str) -> float:
    value = float(text)
    if not isfinite(value):
        raise NotStrict(f"numbers must be finite: {text} is too large", text)
    return value


def _refuse_constant(name: str) -> NoReturn:
    raise NotStrict(f"numbers must be finite: {name} is not JSON", name)
