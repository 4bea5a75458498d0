"""The routes around a submission: uploads, dry runs, bad lines; and PlanTasks in steps."""

from __future__ import annotations

import json
from typing import Any

import pytest

from jobs_api.app import handler as jobs_api
from plan_tasks.app import handler as plan_tasks
from tests.fakes.world import World

from .conftest import Context, Edit, load

KEY = "shared/images.jsonl.gz"


def answer(raw: dict[str, Any], status: int) -> Any:
    assert raw["statusCode"] == status, raw["body"]
    return json.loads(raw["body"])


def test_an_upload_is_signed_for_the_caller_s_tenant(
    world: World, rest: Edit, context: Context
) -> None:
    made = answer(jobs_api(rest("jobs_api/begin_upload"), context), 201)
    assert made["key"].startswith("uploads/acme/")
    assert made["key"].endswith("/tasks.jsonl")
    assert (made["method"], made["expires_in_seconds"]) == ("PUT", 3_600)
    assert made["headers"].keys() == {"Content-Length", "x-amz-checksum-sha256"}


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"filename": "../a"}, "filename"),
        ({"filename": ""}, "filename"),
        ({"filename": "a" * 201}, "filename"),
        ({"size_bytes": 0}, "size_bytes"),
        ({"size_bytes": 1024**3 + 1}, "size_bytes"),
        ({"size_bytes": "1"}, "size_bytes"),
        ({"sha256": "abc"}, "sha256"),
        ({"md5": "abc"}, "md5"),
    ],
)
def test_a_bad_upload_is_422(
    world: World, rest: Edit, context: Context, change: dict[str, Any], field: str
) -> None:
    body = {"filename": "a.csv", "size_bytes": 5} | change
    problem = answer(jobs_api(rest("jobs_api/begin_upload", body=body), context), 422)
    assert problem["errors"][0]["field"] == field


def test_a_dry_run_tells_all_that_a_submit_would_decide(
    world: World, rest: Edit, context: Context
) -> None:
    made = answer(jobs_api(rest("jobs_api/plan_submission"), context), 200)
    assert (made["accepted"], made["total"], made["total_is"]) == (True, 1_999, "exact")
    assert made["tasks"][0] == {"index": 0, "input": {"lr": 0.1, "seed": 1}}
    assert made["minutes"]["tasks"] == 1.33
    assert made["dollars"]["total"] > 0
    assert not world.store.tables.jobs


@pytest.mark.parametrize(
    "query", [{"task_seconds": "0"}, {"slots": "0"}, {"slots": "many"}, {"task_second": "1"}]
)
def test_a_dry_run_s_query_is_checked(
    world: World, rest: Edit, context: Context, query: dict[str, str]
) -> None:
    problem = answer(jobs_api(rest("jobs_api/plan_submission", query=query), context), 422)
    assert problem["errors"][0]["field"] in query


@pytest.mark.parametrize("name", ["begin_upload", "plan_submission"])
def test_a_viewer_neither_uploads_nor_plans(
    world: World, rest: Edit, context: Context, name: str
) -> None:
    event = rest(f"jobs_api/{name}", caller={"role": "viewer"})
    assert answer(jobs_api(event, context), 403)["code"] == "forbidden"


def test_bad_lines_at_submit_are_named_one_by_one(
    world: World, rest: Edit, context: Context
) -> None:
    world.data.bodies["shared/a.csv"] = b"a,b\n1,2\n3\n4,5\n6,7,8\n"
    body = {"name": "n", "handler": "echo", "tasks": {"manifest": {"key": "shared/a.csv"}}}
    problem = answer(jobs_api(rest("jobs_api/submit_job", body=body), context), 422)
    assert [(e["field"], e["rule"], e["seen"]) for e in problem["errors"]] == [
        ("tasks.manifest", "line 3 has 1 values for 2 columns", "3"),
        ("tasks.manifest", "line 5 has 3 values for 2 columns", "6,7,8"),
    ]
    assert "on_bad_line" in problem["action"]


def test_a_manifest_is_planned_in_steps_and_its_bad_lines_are_read(
    world: World, rest: Edit, context: Context
) -> None:
    world.data.bodies["shared/a.jsonl"] = b"1\n" * 40_000 + b"bad\n"
    tasks = {"manifest": {"key": "shared/a.jsonl", "on_bad_line": "skip"}}
    body = {"name": "n", "handler": "echo", "tasks": tasks}
    job = answer(jobs_api(rest("jobs_api/submit_job", body=body), context), 201)
    assert job["total"] is None
    step = {**load("plan_tasks/step"), "job_id": job["job_id"]}
    context.remaining_ms = 1_000
    answers = [plan_tasks(step, context) for _ in range(3)]
    assert answers == [*[{"nodes": [], "more": True}] * 2, {"nodes": [0, 1, 2]}]
    event = rest("jobs_api/get_bad_lines", job_id=job["job_id"])
    found = answer(jobs_api(event, context), 200)
    assert (found["count"], found["all_read"]) == (1, True)
    assert found["lines"] == [
        {
            "line": 40_001,
            "rule": "is not JSON at column 1: Expecting value",
            "seen": "bad",
        }
    ]


def test_another_tenant_s_bad_lines_do_not_exist(
    world: World, rest: Edit, context: Context
) -> None:
    job = answer(jobs_api(rest("jobs_api/submit_job"), context), 201)
    event = rest("jobs_api/get_bad_lines", job_id=job["job_id"], caller={"tenant": "other"})
    assert answer(jobs_api(event, context), 404)["code"] == "not_found"
