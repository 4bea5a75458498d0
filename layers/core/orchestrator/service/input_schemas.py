"""What handlers take, as JSON schemas: told by workers once for all that have the same, shown once a handler.

A heartbeat names its worker's set by digest, 32 characters of a row that is written anyway; the set itself is
sent only when it is asked for. So a thousand workers cost one write of at most 32 units in half a week.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime, timedelta

from pydantic import JsonValue

from orchestrator.model.items import InputSchemas, Worker
from orchestrator.model.schemas import schemas_text
from orchestrator.model.wire import HeartbeatIn
from orchestrator.service.ports import Deps

KEPT = timedelta(days=7)
RENEWED = KEPT / 2
"""A set that has less than this left is asked for again."""
SETS_SHOWN = 12
"""Sets of an answer, the newest workers' first: 384 KB of schemas, at most."""


def take_schemas(deps: Deps, body: HeartbeatIn) -> bool:
    """Keep the schemas that a heartbeat brings; tell whether those that it only names are wanted."""
    digest, now = body.schemas_digest, deps.now()
    if digest is None or _is_known(deps, digest):
        return False
    if body.schemas is None:
        return True
    deps.store.put_schemas(
        InputSchemas(digest=digest, text=schemas_text(body.schemas), expires_at=now + KEPT)
    )
    deps.cache[_cached(digest)] = now + KEPT - RENEWED
    return False


def _is_known(deps: Deps, digest: str) -> bool:
    """Tell whether the set is kept, for a good while yet; one read a process, not one a heartbeat."""
    now, until = deps.now(), deps.cache.get(_cached(digest))
    if isinstance(until, datetime) and until > now:
        return True
    kept = deps.store.get_schemas([digest], now).get(digest)
    if kept is None or kept.expires_at - RENEWED <= now:
        return False
    deps.cache[_cached(digest)] = kept.expires_at - RENEWED
    return True


def _cached(digest: str) -> str:
    return f"schemas/{digest}"


def handler_schemas(deps: Deps, workers: Iterable[Worker]) -> dict[str, JsonValue]:
    """Return each handler's input schema as the newest of these workers that has the handler declares it.

    A handler that takes any JSON there has none; nor has one whose schema was too large to be told.
    """
    newest = sorted(workers, key=lambda worker: worker.alive_since or worker.seen_at, reverse=True)
    digests = list(dict.fromkeys(w.schemas_digest for w in newest if w.schemas_digest is not None))
    kept = deps.store.get_schemas(digests[:SETS_SHOWN], deps.now()) if digests else {}
    sets: dict[str | None, dict[str, JsonValue]] = {None: {}}
    sets |= {digest: json.loads(item.text) for digest, item in kept.items()}
    settled: dict[str, JsonValue] = {}
    for worker in newest:
        if (schemas := sets.get(worker.schemas_digest)) is not None:
            for name in worker.handlers:
                settled.setdefault(name, schemas.get(name))
    return {name: schema for name, schema in sorted(settled.items()) if schema is not None}
