"""Schemas of handlers' inputs: told once for all workers, asked for while not known, shown once each."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from orchestrator.model.schemas import (
    SCHEMA_MAX_BYTES,
    SCHEMAS_MAX,
    SCHEMAS_MAX_BYTES,
    Schemas,
    schemas_digest,
    schemas_text,
    within_limits,
)
from orchestrator.model.wire import HeartbeatIn, HeartbeatOut, RunningTask
from orchestrator.service.beat import heartbeat
from orchestrator.service.input_schemas import KEPT, RENEWED, SETS_SHOWN
from orchestrator.service.workers import TASKS_SHOWN, list_workers
from tests.fakes.cluster import ALICE, Cluster
from tests.fakes.lives import begun
from tests.fakes.world import World

SUM: Schemas = {"sum": {"type": "object", "properties": {"a": {"type": "integer"}}}}


def large(size_bytes: int, **other: Any) -> dict[str, Any]:
    return {"description": "é" * (size_bytes // 2), **other}


def beat(
    world: World, worker_id: str, schemas: Schemas, *, tell: bool = False, **fields: Any
) -> HeartbeatOut:
    body: dict[str, Any] = {
        "version": "1",
        "slots": 1,
        "handlers": [*sorted(schemas), "echo"],
        "schemas_digest": schemas_digest(schemas) if schemas else None,
        "schemas": schemas if tell else None,
    }
    # As the wire brings it.
    return heartbeat(
        world.deps, worker_id, HeartbeatIn.model_validate_json(json.dumps(body | fields))
    )


def shown(world: World) -> dict[str, Any]:
    page = list_workers(world.deps, ALICE, limit=100, cursor=None, schemas=True)
    assert page.schemas is not None
    return page.schemas


def test_a_set_is_asked_for_until_it_was_told_and_then_shown() -> None:
    world = World()
    assert beat(world, "w-1", SUM).schemas_wanted
    assert beat(world, "w-1", SUM).schemas_wanted, "the first answer may have been lost"
    assert shown(world) == {}
    assert not beat(world, "w-1", SUM, tell=True).schemas_wanted
    assert not beat(world, "w-1", SUM).schemas_wanted
    assert shown(world) == dict(SUM)
    assert list_workers(world.deps, ALICE, limit=100, cursor=None).schemas is None


def test_a_thousand_workers_write_a_set_once() -> None:
    world = World()
    beat(world, "w-0", SUM, tell=True)
    before = dict(world.store.schemas)
    for number in range(1, 1_000):
        # As each of them would that had been asked before the first one told.
        assert not beat(world, f"w-{number}", SUM, tell=True).schemas_wanted
        world.wait(0.01)
    assert world.store.schemas == before
    page = list_workers(world.deps, ALICE, limit=100, cursor=None, schemas=True)
    assert page.model_dump_json().count('"properties"') == 1


def test_another_process_knows_a_set_that_was_told_elsewhere() -> None:
    world = World()
    beat(world, "w-1", SUM, tell=True)
    world.deps.cache.clear()
    assert not beat(world, "w-2", SUM).schemas_wanted


def test_a_set_is_asked_for_again_before_it_expires() -> None:
    world = World()
    beat(world, "w-1", SUM, tell=True)
    world.wait((KEPT - RENEWED - timedelta(seconds=1)).total_seconds())
    assert not beat(world, "w-1", SUM).schemas_wanted
    world.wait(2)
    assert beat(world, "w-1", SUM).schemas_wanted
    assert shown(world) == dict(SUM), "it is shown meanwhile"
    assert not beat(world, "w-1", SUM, tell=True).schemas_wanted
    world.wait((KEPT - RENEWED - timedelta(seconds=1)).total_seconds())
    assert not beat(world, "w-1", SUM).schemas_wanted


def test_fields_are_shown_in_the_order_they_were_declared_in_and_any_order_is_one_set() -> None:
    world = World()
    fields: dict[str, Any] = {name: {"type": "string"} for name in ("key", "name", "bytes")}
    beat(world, "w-1", {"profile": {"properties": fields}}, tell=True)
    assert list(shown(world)["profile"]["properties"]) == ["key", "name", "bytes"]
    turned: dict[str, Any] = dict(reversed(fields.items()))
    assert not beat(world, "w-2", {"profile": {"properties": turned}}).schemas_wanted


def test_a_worker_without_typed_handlers_is_asked_nothing() -> None:
    world = World()
    assert not beat(world, "w-1", {}).schemas_wanted
    assert shown(world) == {}


def test_the_newest_worker_that_has_a_handler_says_what_it_takes() -> None:
    world = World()
    newer: Schemas = {"sum": {"type": "array"}}
    beat(world, "w-old", {**SUM, "only.old": {"type": "string"}}, tell=True)
    world.wait(1)
    beat(world, "w-new", newer, tell=True)
    world.wait(1)
    beat(world, "w-old", {**SUM, "only.old": {"type": "string"}})
    assert shown(world) == {"sum": {"type": "array"}, "only.old": {"type": "string"}}
    world.wait(1)
    beat(world, "w-newest", {}, handlers=["sum"])
    assert shown(world) == {"only.old": {"type": "string"}}, "the newest takes any JSON"


def test_a_set_that_is_not_known_yet_hides_no_older_one() -> None:
    world = World()
    beat(world, "w-old", SUM, tell=True)
    world.wait(1)
    beat(world, "w-new", {"sum": {"type": "array"}})
    assert shown(world) == dict(SUM)


def test_a_page_of_the_worst_workers_stays_below_a_megabyte_and_none_is_lost() -> None:
    cluster = begun(Cluster())
    world = cluster.world
    running = [
        RunningTask(job=cluster.job_id, index=i, attempt=1, since_ms=0).model_dump(mode="json")
        for i in range(TASKS_SHOWN)
    ]
    for number in range(60):
        schemas = {f"h{n}": large(8_000, title=f"{number}") for n in range(4)}
        beat(world, f"w-{number}", schemas, tell=True, running=running)
    seen: list[str] = []
    cursor = None
    while True:
        page = list_workers(world.deps, ALICE, limit=100, cursor=cursor, schemas=True)
        assert len(page.model_dump_json().encode()) < 1_000_000
        assert page.schemas
        seen += [worker.worker_id for worker in page.workers]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert sorted(seen) == sorted(f"w-{number}" for number in range(60))


def test_many_different_sets_are_shown_up_to_a_number_the_newest_first() -> None:
    world = World()
    for number in range(SETS_SHOWN + 3):
        beat(world, f"w-{number:02d}", {f"h{number:02d}": large(8_000)}, tell=True)
        world.wait(1)
    assert sorted(shown(world)) == [f"h{number:02d}" for number in range(3, SETS_SHOWN + 3)]


@pytest.mark.parametrize(
    ("changed", "rule"),
    [
        ({"schemas_digest": "0" * 32}, "does not name"),
        ({"schemas_digest": None}, "does not name"),
        ({"schemas_digest": "X"}, "pattern"),
        ({"schemas": {"a": large(SCHEMA_MAX_BYTES)}}, "are the most"),
        ({"schemas": {str(n): {} for n in range(SCHEMAS_MAX + 1)}}, "are the most"),
        ({"schemas": {str(n): large(8_000) for n in range(5)}}, "are the most"),
        ({"schemas": {"a": "text"}}, "dictionary|object"),
    ],
)
def test_a_set_under_another_s_name_or_above_a_limit_is_refused(
    changed: dict[str, Any], rule: str
) -> None:
    body = {"version": "1", "slots": 1, "handlers": ["sum"], "schemas": SUM}
    body["schemas_digest"] = schemas_digest(SUM)
    HeartbeatIn.model_validate_json(json.dumps(body))
    with pytest.raises(ValidationError, match=rule):
        HeartbeatIn.model_validate_json(json.dumps(body | changed))


def test_what_is_above_a_limit_is_left_out_with_a_reason() -> None:
    schemas: dict[str, Any] = {f"h{number:02d}": {} for number in range(SCHEMAS_MAX + 1)}
    kept, left_out = within_limits(schemas)
    assert (len(kept), left_out) == (SCHEMAS_MAX, {"h50": "50 handlers are the most"})
    schemas = {
        "a": large(SCHEMA_MAX_BYTES),
        "b": {"x": float("nan")},
        "c": {"x": object()},
        "d": {},
    }
    kept, left_out = within_limits(schemas)
    assert (sorted(kept), sorted(left_out)) == (["d"], ["a", "b", "c"])
    kept, left_out = within_limits({f"h{n}": large(8_000) for n in range(6)})
    assert (sorted(kept), sorted(left_out)) == (["h0", "h1", "h2", "h3"], ["h4", "h5"])
    assert len(schemas_text(kept).encode()) <= SCHEMAS_MAX_BYTES
