"""The JSON schemas of what handlers take, for people who fill in a job's items."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orchestrator.model.schemas import within_limits
from worker.registry import Handler
from worker.validation import adapter


def input_schemas(
    handlers: Mapping[str, Handler],
) -> tuple[dict[str, dict[str, Any]], dict[str, str]]:
    """Return the schemas of declared inputs within the heartbeat's limits, and why others are left out."""
    schemas: dict[str, dict[str, Any]] = {}
    failed: dict[str, str] = {}
    for name, handler in handlers.items():
        if handler.input is None:
            continue
        try:
            schemas[name] = adapter(handler.input).json_schema()
        except Exception as error:
            # A type may be checked by code that no schema can say, and a model may write its own schema.
            failed[name] = f"{type(error).__name__}: {error}"
    kept, left_out = within_limits(schemas)
    return kept, failed | left_out
