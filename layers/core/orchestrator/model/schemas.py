"""JSON schemas of handlers' inputs, as workers tell them: their bounds, their text, and the name of a set."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

from pydantic import JsonValue

type Schemas = Mapping[str, Mapping[str, JsonValue]]
"""The JSON schema (draft 2020-12) of a handler's input, by the handler's name."""

SCHEMAS_MAX = 50
SCHEMA_MAX_BYTES = 8 * 1024
SCHEMAS_MAX_BYTES = 32 * 1024
"""Of a worker's whole set: 32 DynamoDB write units each time that one is kept."""


def schemas_text(schemas: Schemas, *, sort_keys: bool = False) -> str:
    """Return a set as compact JSON, fields in the order that people declared them in.

    Raises TypeError, ValueError or RecursionError where JSON cannot say it (a date, NaN, half a character).
    """
    text = json.dumps(
        schemas, ensure_ascii=False, allow_nan=False, sort_keys=sort_keys, separators=(",", ":")
    )
    text.encode()
    return text


def schemas_digest(schemas: Schemas) -> str:
    """Return the name of a set: 128 bits of the SHA-256 of its JSON with sorted keys, 32 hexadecimal digits."""
    return hashlib.sha256(schemas_text(schemas, sort_keys=True).encode()).hexdigest()[:32]


def within_limits(schemas: Schemas) -> tuple[dict[str, dict[str, JsonValue]], dict[str, str]]:
    """Return what may be told, taken by name until a limit is reached, and why each other may not."""
    kept: dict[str, dict[str, JsonValue]] = {}
    left_out: dict[str, str] = {}
    size = len("{}")
    for name, schema in sorted(schemas.items()):
        try:
            entry_bytes = len(schemas_text({name: schema}).encode()) - len("{}")
        except (TypeError, ValueError, RecursionError) as error:
            left_out[name] = f"it is no JSON: {error}"
            continue
        if entry_bytes > SCHEMA_MAX_BYTES:
            left_out[name] = f"{entry_bytes} bytes; {SCHEMA_MAX_BYTES} are the most"
        elif len(kept) == SCHEMAS_MAX:
            left_out[name] = f"{SCHEMAS_MAX} handlers are the most"
        elif size + entry_bytes + len(",") > SCHEMAS_MAX_BYTES:
            left_out[name] = f"{SCHEMAS_MAX_BYTES} bytes for all handlers are the most"
        else:
            kept[name] = dict(schema)
            size += entry_bytes + len(",")
    return kept, left_out
