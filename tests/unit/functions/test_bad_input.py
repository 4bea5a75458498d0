"""Bad input: each a 4xx that names the field, the rule and the value seen. A 5xx is a bug."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jobs_api.app import handler as jobs_api
from orchestrator.errors import BadRequest
from rest.body import read_json
from tests.fakes.world import World
from work_api.app import handler as work_api

from .conftest import CallJournal, Context, Edit, load

OK: dict[str, Any] = {"name": "n", "handler": "echo", "tasks": {"count": 1}}


def _answer(raw: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    body: dict[str, Any] = json.loads(raw["body"])
    return raw["statusCode"], body


def _submit(rest: Edit, context: Context, **change: Any) -> tuple[int, dict[str, Any]]:
    return _answer(jobs_api(rest("jobs_api/submit_job", **change), context))


NOT_READABLE = {
    "no JSON": ("{", "not JSON at line 1, column 2", "{"),
    "a form": ("name=n&handler=echo", "not JSON at line 1, column 1", "name=n&han"),
    "a list": ("[1]", "one JSON object", "[1]"),
    "null": ("null", "one JSON object", "null"),
    "a list around the object": (json.dumps([OK]), "one JSON object", '[{"name"'),
    "duplicate keys": ('{"name":"a","name":"b"}', "only once in an object", "name"),
    "nested duplicate keys": ('{"tasks":{"count":1,"count":2}}', "only once", "count"),
    "NaN": ('{"timeout_seconds":NaN}', "must be finite", "NaN"),
    "Infinity": ('{"timeout_seconds":-Infinity}', "must be finite", "-Infinity"),
    "a byte order mark": ("\ufeff{}", "BOM", "\ufeff{}"),
    "deep nesting": ('{"a":' + "[" * 200 + "]" * 200 + "}", "100 levels", None),
    "unclosed nesting": ("[" * 100_000, "100 levels", None),
    "an endless number": ('{"a":' + "9" * 5_000 + "}", "4300 digits", None),
    "half a character": ('{"name":"\\ud800"}', "whole characters", None),
}


@pytest.mark.parametrize("case", NOT_READABLE)
def test_a_body_that_cannot_be_read_is_400(
    world: World, rest: Edit, context: Context, case: str
) -> None:
    text, rule, seen = NOT_READABLE[case]
    status, problem = _submit(rest, context, text=text)
    assert (status, problem["code"]) == (400, "bad_request")
    (error,) = problem["errors"]
    assert rule in error["rule"]
    if seen is not None:
        assert error["seen"].startswith(seen)
    assert problem["action"]


BAD_FIELDS: dict[str, tuple[dict[str, Any], str, str, str | None]] = {
    "an unknown field": ({"naem": 1}, "naem", "not a known field", "1"),
    "a nested unknown field": ({"retry": {"tries": 3}}, "retry.tries", "not a known", "3"),
    "no name": ({"name": None}, "name", "valid string", "null"),
    "a number as name": ({"name": 7}, "name", "valid string", "7"),
    "an empty name": ({"name": ""}, "name", "at least 1", ""),
    "a long name": ({"name": "n" * 201}, "name", "at most 200", "n" * 79 + "…"),
    "a control character": ({"name": "a\x00b"}, "name", "control characters", "a\x00b"),
    "a handler's syntax": ({"handler": "Bad Name"}, "handler", "pattern", "Bad Name"),
    "no tasks at all": ({"tasks": {}}, "tasks", "exactly one of items, count, manifest", "{}"),
    "two sources": ({"tasks": {"items": [1], "count": 1}}, "tasks", "exactly one", '{"items"'),
    "empty items": ({"tasks": {"items": []}}, "tasks.items", "at least 1", "[]"),
    "count 0": ({"tasks": {"count": 0}}, "tasks.count", "greater than or equal to 1", "0"),
    "too many": ({"tasks": {"count": 1_000_001}}, "tasks.count", "1000000", "1000001"),
    "a text as count": ({"tasks": {"count": "5"}}, "tasks.count", "integer", "5"),
    "true as count": ({"tasks": {"count": True}}, "tasks.count", "integer", "true"),
    "a fraction": ({"tasks": {"count": 1.5}}, "tasks.count", "integer", "1.5"),
    "a large item": (
        {"tasks": {"items": [1, "x" * 262_145]}},
        "tasks.items[1]",
        "at most 262144 bytes",
        "xxx",
    ),
    "large parameters": ({"parameters": "x" * 65_537}, "parameters", "at most 65536 bytes", "xxx"),
    "no attempt": ({"retry": {"max_attempts": 0}}, "retry.max_attempts", "equal to 1", "0"),
    "a back-off": ({"retry": {"factor": 11}}, "retry.factor", "less than or equal to 10", "11"),
    "a rule's action": (
        {"retry": {"rules": [{"action": "ignore"}]}},
        "retry.rules[0].action",
        "'retry' or 'fail'",
        "ignore",
    ),
    "a rule's pattern": (
        {"retry": {"rules": [{"action": "fail", "message_pattern": ""}]}},
        "retry.rules[0].message_pattern",
        "at least 1",
        "",
    ),
    "a rule that is never reached": (
        {"retry": {"rules": [{"action": "retry"}, {"exit_code": 1, "action": "fail"}]}},
        "retry",
        "rule 2 is never reached",
        '{"rules": [{"action"',
    ),
    "a rule that says fail with a limit": (
        {"retry": {"rules": [{"action": "fail", "max_attempts": 2}]}},
        "retry",
        "rule 1 says fail",
        '{"rules": [{"action"',
    ),
    "lost workers": ({"retry": {"max_worker_losses": 0}}, "retry.max_worker_losses", "to 1", "0"),
    "time-out 0": ({"timeout_seconds": 0}, "timeout_seconds", "greater than 0", "0"),
    "a long time-out": ({"timeout_seconds": 39_601}, "timeout_seconds", "39600", "39601"),
    "a deadline": ({"deadline_seconds": 0.5}, "deadline_seconds", "equal to 1", "0.5"),
    "a percentage": (
        {"tolerated_failures": {"percent": 101}},
        "tolerated_failures.percent",
        "equal to 100",
        "101",
    ),
    "a tag that is no text": ({"tags": {"a": 1}}, "tags.a", "valid string", "1"),
    "many tags": ({"tags": dict.fromkeys(map(str, range(21)), "")}, "tags", "at most 20", "{"),
    "a batch": ({"tasks_per_message": 26}, "tasks_per_message", "equal to 25", "26"),
    "a cap": ({"max_running": 0}, "max_running", "equal to 1", "0"),
}


@pytest.mark.parametrize("case", BAD_FIELDS)
def test_a_field_that_breaks_its_rule_is_422(
    world: World, rest: Edit, context: Context, case: str
) -> None:
    change, field, rule, seen = BAD_FIELDS[case]
    status, problem = _submit(rest, context, body=OK | change)
    assert (status, problem["code"]) == (422, "invalid_field")
    (error,) = problem["errors"]
    assert error["field"] == field
    assert rule in error["rule"]
    assert error["seen"] is not None
    assert error["seen"].startswith(seen or "")
    assert len(error["seen"]) <= 80
    assert field in problem["detail"]


def test_missing_fields_are_named_together(world: World, rest: Edit, context: Context) -> None:
    status, problem = _submit(rest, context, body={"x": 1})
    assert status == 422
    rules = {error["field"]: error["rule"] for error in problem["errors"]}
    assert rules == {
        "name": "is required",
        "handler": "is required",
        "tasks": "is required",
        "x": "is not a known field",
    }


def test_no_body_is_a_missing_one(world: World, rest: Edit, context: Context) -> None:
    status, problem = _submit(rest, context, text="")
    assert (status, problem["errors"][0]["field"]) == (422, "body")


def test_what_is_told_stays_small(world: World, rest: Edit, context: Context) -> None:
    body = OK | {f"{number}{'k' * 300}": "v" * 300 for number in range(1_000)}
    status, problem = _submit(rest, context, body=body)
    assert (status, len(problem["errors"])) == (422, 20)
    assert "and 980 more" in problem["detail"]
    assert len(json.dumps(problem)) < 16_000


@pytest.mark.parametrize("character", ["x", "é", "\U0001f600"])
def test_a_body_above_4_mb_is_413(
    world: World, rest: Edit, context: Context, character: str
) -> None:
    filler = character * (4 * 1024 * 1024 // len(character.encode()))
    text = json.dumps(OK | {"parameters": filler}, ensure_ascii=False)
    status, problem = _submit(rest, context, text=text)
    assert (status, problem["code"]) == (413, "payload_too_large")
    assert problem["errors"][0]["field"] == "body"


def test_four_mb_of_items_are_taken(world: World, rest: Edit, context: Context) -> None:
    items = [{"key": f"uploads/{number:06d}.csv"} for number in range(110_000)]
    status, job = _submit(rest, context, body=OK | {"tasks": {"items": items}})
    assert (status, job["total"]) == (201, 110_000)


def test_the_body_is_json_whatever_its_label_says(
    world: World, rest: Edit, context: Context
) -> None:
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    assert _submit(rest, context, body=OK, headers=form)[0] == 201


def test_a_base64_body_is_decoded_and_must_be_utf_8(
    world: World, rest: Edit, context: Context
) -> None:
    event = rest("jobs_api/submit_job") | {"isBase64Encoded": True}
    event["body"] = base64.b64encode(json.dumps(OK).encode()).decode()
    assert jobs_api(event, context)["statusCode"] == 201
    event["body"] = base64.b64encode(b'{"name":"\xff"}').decode()
    status, problem = _answer(jobs_api(event, context))
    assert (status, problem["code"]) == (400, "bad_request")
    assert "UTF-8" in problem["detail"]


@pytest.mark.parametrize("key", ["", "k" * 256, "tab\there", "ümlaut"])
def test_an_idempotency_key_is_printable_and_short(
    world: World, rest: Edit, context: Context, key: str
) -> None:
    status, problem = _submit(rest, context, headers={"Idempotency-Key": key})
    assert (status, problem["errors"][0]["field"]) == (422, "idempotency-key")


BAD_QUERIES = {
    "limit 0": ({"limit": "0"}, 422, "limit"),
    "limit above 1,000": ({"limit": "1001"}, 422, "limit"),
    "limit that is no number": ({"limit": "ten"}, 422, "limit"),
    "an unknown state": ({"state": "DONE"}, 422, "state"),
    "an unknown parameter": ({"stat": "FAILED"}, 422, "stat"),
    "a long cursor": ({"cursor": "c" * 501}, 422, "cursor"),
}


@pytest.mark.parametrize("case", BAD_QUERIES)
@pytest.mark.parametrize("name", ["jobs_api/list_jobs", "jobs_api/list_tasks"])
def test_a_query_that_breaks_its_rule_is_422(
    world: World, rest: Edit, context: Context, name: str, case: str
) -> None:
    query, expected, field = BAD_QUERIES[case]
    status, problem = _answer(jobs_api(rest(name, query=query), context))
    assert (status, problem["errors"][0]["field"]) == (expected, field)


@pytest.mark.parametrize(
    ("name", "query"),
    [
        ("jobs_api/list_jobs", {"limit": "101"}),
        ("jobs_api/list_tasks", {"error_type": ""}),
        ("jobs_api/list_tasks", {"error_type": "E" * 201}),
        ("jobs_api/list_jobs", {"error_type": "E"}),
        ("jobs_api/list_workers", {"schemas": "perhaps"}),
    ],
)
def test_a_rule_of_one_list_alone_is_422(
    world: World, rest: Edit, context: Context, name: str, query: dict[str, str]
) -> None:
    status, problem = _answer(jobs_api(rest(name, query=query), context))
    assert (status, [error["field"] for error in problem["errors"]]) == (422, list(query))


def test_a_cursor_that_was_changed_is_400(world: World, rest: Edit, context: Context) -> None:
    for number in range(2):
        _submit(rest, context, headers={"Idempotency-Key": str(number)})
    first = rest("jobs_api/list_jobs", query={"limit": "1"})
    cursor = _answer(jobs_api(first, context))[1]["next_cursor"]
    for changed in ("", "A", "AAAA", "\u00e9", cursor[:-2], "A" + cursor[1:], cursor + "A=="):
        event = rest("jobs_api/list_jobs", query={"limit": "1", "cursor": changed})
        status, problem = _answer(jobs_api(event, context))
        assert (status, problem["code"]) == (400, "invalid_cursor"), changed
    other = rest("jobs_api/list_jobs", query={"state": "FAILED", "cursor": cursor})
    assert _answer(jobs_api(other, context))[0] == 400


@pytest.mark.parametrize("text", ["1", "x" * 26, "01JD8Z0K3V5N7Q9R1T3W5Y7Z9B-00", "é", "%00"])
def test_a_malformed_id_is_404_and_shown(
    world: World, rest: Edit, context: Context, text: str
) -> None:
    for event in (
        rest("jobs_api/get_job", job_id=text),
        rest("jobs_api/get_task", task_id=text),
        rest("jobs_api/revoke_key", key_id=text),
    ):
        status, problem = _answer(jobs_api(event, context))
        assert (status, problem["code"]) == (404, "not_found")
        assert text[:26] in problem["detail"]


BAD_RETRIES: dict[str, tuple[dict[str, Any], str]] = {
    "all": ({"tasks": "all"}, "tasks"),
    "no index": ({"indexes": []}, "indexes"),
    "an index below 0": ({"indexes": [1, -1]}, "indexes[1]"),
    "an unknown field": ({"reason": "x"}, "reason"),
    "two choices": ({"tasks": "failed", "indexes": [1]}, "body"),
    "two other choices": ({"indexes": [1], "error_types": ["E"]}, "body"),
    "no error type": ({"error_types": []}, "error_types"),
    "an empty error type": ({"error_types": ["E", ""]}, "error_types[1]"),
    "a long error type": ({"error_types": ["E" * 201]}, "error_types[0]"),
    "a control character": ({"error_types": ["a\n"]}, "error_types[0]"),
    "too many error types": ({"error_types": ["E"] * 101}, "error_types"),
    "a text as error types": ({"error_types": "E"}, "error_types"),
}


@pytest.mark.parametrize("case", BAD_RETRIES)
def test_a_bad_retry_is_422(world: World, rest: Edit, context: Context, case: str) -> None:
    body, field = BAD_RETRIES[case]
    status, problem = _answer(jobs_api(rest("jobs_api/retry_job", body=body), context))
    assert (status, problem["errors"][0]["field"]) == (422, field)


BAD_KEYS: dict[str, tuple[dict[str, Any], str]] = {
    "a role": ({"role": "root"}, "role"),
    "a tenant": ({"tenant": "Acme Inc"}, "tenant"),
    "an expiry": ({"expires_in_days": 0}, "expires_in_days"),
    "a name": ({"name": "\x1b[31m"}, "name"),
}


@pytest.mark.parametrize("case", BAD_KEYS)
def test_a_bad_key_is_422(world: World, rest: Edit, context: Context, case: str) -> None:
    change, field = BAD_KEYS[case]
    body = json.loads(load("jobs_api/mint_key")["body"]) | change
    status, problem = _answer(jobs_api(rest("jobs_api/mint_key", body=body), context))
    assert (status, problem["errors"][0]["field"]) == (422, field)


BAD_WORK: dict[str, tuple[str, dict[str, Any], str]] = {
    "a worker's name": ("claim", {"worker_id": "a b"}, "worker_id"),
    "many messages": (
        "claim",
        {"messages": json.loads(load("work_api/claim")["body"])["messages"] * 11},
        "messages",
    ),
    "an outcome": ("complete_one", {"outcome": "fine"}, "outcome"),
    "a run's id": ("complete_one", {"run_id": "no"}, "run_id"),
    "attempt 0": ("complete_one", {"attempt": 0}, "attempt"),
    "slots": ("heartbeat", {"slots": 0}, "slots"),
    "an unknown field": ("heartbeat", {"load": 1}, "load"),
    "a job that is none": ("heartbeat", {"touched": {"x": [0]}}, "touched.x.[key]"),
}


@pytest.mark.parametrize("case", BAD_WORK)
def test_bad_work_is_422(world: World, rest: Edit, context: Context, case: str) -> None:
    name, change, field = BAD_WORK[case]
    body = json.loads(load(f"work_api/{name}")["body"]) | change
    event = rest(f"work_api/{name}", body=body)
    status, problem = _answer(work_api(event, context))
    assert (status, problem["errors"][0]["field"]) == (422, field)


def test_a_task_to_complete_and_a_worker_are_named_well(
    world: World, rest: Edit, context: Context
) -> None:
    task = rest("work_api/complete_one", task_id="nonsense")
    assert work_api(task, context)["statusCode"] == 404
    worker = rest("work_api/heartbeat", worker_id="-bad-")
    status, problem = _answer(work_api(worker, context))
    assert (status, problem["errors"][0]["field"]) == (422, "worker_id")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
FIELDS = st.sampled_from(
    ["name", "handler", "tasks", "parameters", "retry", "timeout_seconds", "tags", "max_running"]
)


@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(change=st.dictionaries(FIELDS | st.text(max_size=5), JSON, max_size=4))
def test_no_body_makes_a_5xx(
    world: World,
    rest: Edit,
    context: Context,
    journal: CallJournal,
    change: dict[str, Any],
) -> None:
    event = rest("jobs_api/submit_job", body=OK | change)
    for headers in (event["headers"], event["multiValueHeaders"]):
        headers.pop("Idempotency-Key", None)
    status = jobs_api(event, context)["statusCode"]
    assert status in (201, 400, 422)


@given(text=st.text(alphabet='{}[]":,\\u0d89abtrueNIn1e+-. ', max_size=40))
def test_strict_json_is_read_or_refused_and_never_crashes(text: str) -> None:
    try:
        value = read_json(text)
    except BadRequest:
        return
    assert value == json.loads(text)
