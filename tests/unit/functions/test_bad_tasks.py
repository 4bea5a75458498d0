"""Tasks that cannot be: a 422 with field, rule and what was seen, in each form; nothing is created."""

from __future__ import annotations

import json
from typing import Any

import pytest

from jobs_api.app import handler as jobs_api
from tests.fakes.world import World

from .conftest import Context, Edit
from .test_bad_input import OK

BAD_TASKS: dict[str, tuple[dict[str, Any], str, str, str]] = {
    "no axis": ({"tasks": {"matrix": {}}}, "tasks.matrix", "at least 1", "{}"),
    "an empty axis": (
        {"tasks": {"matrix": {"a": []}}},
        "tasks.matrix.a",
        "at least one value",
        "[]",
    ),
    "an axis of nothing": ({"tasks": {"matrix": {"a": None}}}, "tasks.matrix.a", "list", "null"),
    "a text that is no range": (
        {"tasks": {"matrix": {"a": "1-5"}}},
        "tasks.matrix.a",
        'range such as "1..1000"',
        "1-5",
    ),
    "a range backwards": (
        {"tasks": {"matrix": {"a": "5..1"}}},
        "tasks.matrix.a",
        'runs backwards: write "1..5"',
        "5..1",
    ),
    "unequal types": (
        {"tasks": {"matrix": {"a": [1, "1"]}}},
        "tasks.matrix.a",
        "value 2 is a text and value 1 a number",
        '[1, "1"]',
    ),
    "true beside 1": ({"tasks": {"matrix": {"a": [1, True]}}}, "tasks.matrix.a", "boolean", "[1"),
    "a list on an axis": (
        {"tasks": {"matrix": {"a": [[1]]}}},
        "tasks.matrix.a",
        "neither",
        "[[1]]",
    ),
    "a value twice": (
        {"tasks": {"matrix": {"a": [1, 1.0]}}},
        "tasks.matrix.a",
        "repeats",
        "[1, 1.0]",
    ),
    "ten to the twelve": (
        {"tasks": {"matrix": {"a": "1..1000000", "b": "1..1000000"}}},
        "tasks",
        "1,000,000,000,000 tasks",
        '{"matrix"',
    ),
    "everything excluded": (
        {"tasks": {"matrix": {"a": [1]}, "exclude": [{"a": 1}]}},
        "tasks",
        "exclude fewer",
        '{"matrix"',
    ),
    "an exclude that fits nothing": (
        {"tasks": {"matrix": {"a": [1]}, "exclude": [{"a": 2}]}},
        "tasks.exclude",
        "entry 1 excludes nothing",
        '[{"a": 2}]',
    ),
    "an exclude of no axis": (
        {"tasks": {"matrix": {"a": [1]}, "exclude": [{"b": 1}]}},
        "tasks.exclude",
        "which is no axis",
        '[{"b": 1}]',
    ),
    "an exclude of all": (
        {"tasks": {"matrix": {"a": [1]}, "exclude": [{}]}},
        "tasks.exclude",
        "names no axis",
        "[{}]",
    ),
    "a scattered exclude": (
        {"tasks": {"matrix": {"a": "1..100000", "b": "1..10"}, "exclude": [{"b": 1}]}},
        "tasks.exclude",
        "put the axes that are excluded by first",
        '[{"b": 1}]',
    ),
    "an include that is there": (
        {"tasks": {"matrix": {"a": [1]}, "include": [{"a": 1}]}},
        "tasks.include",
        "a combination of the matrix already",
        '[{"a": 1}]',
    ),
    "an exclude without a matrix": (
        {"tasks": {"count": 1, "exclude": [{"a": 1}]}},
        "tasks",
        "belong to a matrix",
        '{"count"',
    ),
    "long values": (
        {"tasks": {"matrix": {"a": ["x" * 2_000]}}},
        "tasks.matrix",
        "at most 1900 bytes",
        '{"a"',
    ),
    "many values": (
        {"tasks": {"matrix": {"a": [f"{n:020}" for n in range(3_000)]}}},
        "tasks.matrix",
        "at most 65536 bytes",
        '{"a"',
    ),
    "a manifest's format": (
        {"tasks": {"manifest": {"key": "uploads/acme/a", "format": "xml"}}},
        "tasks.manifest.format",
        "'jsonl' or 'csv'",
        "xml",
    ),
    "a path upwards": (
        {"tasks": {"manifest": {"key": "uploads/acme/../b"}}},
        "tasks.manifest.key",
        "no empty part",
        "uploads/acme/../b",
    ),
    "another tenant's manifest": (
        {"tasks": {"manifest": {"key": "uploads/other/a.jsonl"}}},
        "tasks.manifest.key",
        "must begin with uploads/",
        "uploads/other/a.jsonl",
    ),
    "a manifest that is not there": (
        {"tasks": {"manifest": {"key": "shared/none.jsonl"}}},
        "tasks.manifest.key",
        "is not in the data bucket",
        "shared/none.jsonl",
    ),
    "another tenant's prefix": (
        {"tasks": {"prefix": "uploads/other/"}},
        "tasks.prefix",
        "must begin with uploads/",
        "uploads/other/",
    ),
    "a wild card for the tenant": (
        {"tasks": {"prefix": "uploads/*/a.csv"}},
        "tasks.prefix",
        "must begin with uploads/",
        "uploads/",
    ),
    "a prefix without objects": (
        {"tasks": {"prefix": "shared/none/"}},
        "tasks.prefix",
        "has no object",
        "shared/none/",
    ),
}


@pytest.mark.parametrize("route", ["submit_job", "plan_submission"])
@pytest.mark.parametrize("case", BAD_TASKS)
def test_tasks_that_cannot_be_are_422_at_submit_and_dry_run(
    world: World, rest: Edit, context: Context, case: str, route: str
) -> None:
    change, field, rule, seen = BAD_TASKS[case]
    answer = jobs_api(rest(f"jobs_api/{route}", body=OK | change), context)
    problem = json.loads(answer["body"])
    assert (answer["statusCode"], problem["code"]) == (422, "invalid_field")
    (error,) = problem["errors"]
    assert error["field"] == field
    assert rule in error["rule"]
    assert error["seen"].startswith(seen)
    assert problem["action"]
    assert not world.store.tables.jobs
    assert not world.data.bodies
