"""Jobs through the deployed application, from submit to results."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest

from local import api
from tests.e2e.conftest import Deployed

pytestmark = pytest.mark.stack


def test_items_and_parameters_reach_the_handler_and_results_come_back_in_order(
    deployed: Deployed,
) -> None:
    items: list[Any] = [{"n": 1}, None, "ünï", [1, {"a": None}], 2.5, True] * 50
    job_id = deployed.submit("e2e.index", {"items": items}, parameters={"p": 1})
    job = deployed.finish(job_id)
    assert (job["state"], job["progress"], job["total"]) == ("SUCCEEDED", 1.0, 300)
    assert job["counts"]["succeeded"] == 300
    assert job["created_at"] <= job["started_at"] <= job["finished_at"]
    lines = deployed.lines(job_id)
    assert [line["index"] for line in lines] == list(range(300))
    assert [line["result"] for line in lines] == [
        {"index": index, "input": item, "parameters": {"p": 1}} for index, item in enumerate(items)
    ]


def test_result_parts_are_what_the_manifest_says(deployed: Deployed) -> None:
    job_id = deployed.submit("e2e.index", {"count": 10})
    deployed.finish(job_id)
    results = deployed.call("GET", f"/api/v1/jobs/{job_id}/results")
    manifest = json.loads(api.send("GET", results["manifest_url"]).body)
    for part, entry in zip(results["parts"], manifest["parts"], strict=True):
        body = api.send("GET", part["url"]).body
        assert len(body) == part["bytes"] == entry["bytes"]
        assert hashlib.sha256(body).hexdigest() == part["sha256"] == entry["sha256"]
    assert manifest["counts"] == results["counts"]
    assert results["lines"] == 10


def test_small_results_are_inline_and_large_ones_go_through_s3(deployed: Deployed) -> None:
    sizes = [10, 690, 5_000, 300_000]
    job_id = deployed.submit("e2e.sized", {"items": [{"bytes": size} for size in sizes]})
    assert deployed.finish(job_id)["state"] == "SUCCEEDED"
    assert [len(line["result"]) for line in deployed.lines(job_id)] == sizes
    task = deployed.call("GET", f"/api/v1/tasks/{job_id}-3")
    assert task["result"] is None
    assert len(json.loads(api.send("GET", task["result_url"]).body)) == 300_000
    assert len(deployed.call("GET", f"/api/v1/tasks/{job_id}-0")["result"]) == 10


def test_failures_are_told_and_a_retry_runs_only_them_again(deployed: Deployed) -> None:
    job_id = deployed.submit("e2e.odd", {"count": 20}, tasks_per_message=4)
    job = deployed.finish(job_id)
    assert job["state"] == "FAILED"
    assert "10 of 20" in job["state_reason"]
    page = deployed.call("GET", f"/api/v1/jobs/{job_id}/tasks?state=FAILED&limit=4")
    assert [task["index"] for task in page["tasks"]] == [1, 3, 5, 7]
    assert page["tasks"][0]["error"] == {
        "type": "Odd",
        "message": "odd tasks fail at first",
        "traceback": None,
        "retryable": False,
        "exit_code": None,
    }
    rest = deployed.call(
        "GET", f"/api/v1/jobs/{job_id}/tasks?state=FAILED&limit=10&cursor={page['next_cursor']}"
    )
    assert [task["index"] for task in rest["tasks"]] == [9, 11, 13, 15, 17, 19]

    headers = {"Idempotency-Key": f"retry-{job_id}"}
    for _ in range(2):
        again = deployed.call("POST", f"/api/v1/jobs/{job_id}/retry", {}, headers=headers)
        assert again["gen"] == 2
    job = deployed.finish(job_id)
    assert (job["state"], job["counts"]["succeeded"]) == ("SUCCEEDED", 20)
    task = deployed.call("GET", f"/api/v1/tasks/{job_id}-1")
    assert [attempt["outcome"] for attempt in task["attempts"]] == ["failed", "succeeded"]
    assert [line["result"] for line in deployed.lines(job_id)] == list(range(20))


def test_a_flaky_task_succeeds_on_its_second_attempt(deployed: Deployed) -> None:
    job_id = deployed.submit(
        "e2e.flaky", {"count": 6}, retry={"initial_seconds": 0.1, "max_seconds": 0.5}
    )
    assert deployed.finish(job_id)["state"] == "SUCCEEDED"
    lines = deployed.lines(job_id)
    assert [(line["result"], line["attempt"]) for line in lines] == [(2, 2)] * 6
    error = deployed.call("GET", f"/api/v1/tasks/{job_id}-0")["attempts"][0]["error"]
    assert error["type"] == "RuntimeError"


def test_a_crash_ends_one_task_and_not_its_neighbours(deployed: Deployed) -> None:
    job_id = deployed.submit(
        "e2e.crash", {"count": 5}, tasks_per_message=5, retry={"max_attempts": 1}
    )
    job = deployed.finish(job_id)
    assert (job["state"], job["counts"]["succeeded"], job["counts"]["failed"]) == ("FAILED", 4, 1)
    task = deployed.call("GET", f"/api/v1/tasks/{job_id}-2")
    assert task["attempts"][0]["outcome"] == "crashed"
    assert task["error"]["exit_code"] == 7


def test_cancel_reaches_running_handlers_and_counts_are_exact(deployed: Deployed) -> None:
    job_id = deployed.submit("e2e.until_cancelled", {"count": 50}, tasks_per_message=1)
    deployed.until(lambda: deployed.job(job_id)["counts"]["running"])
    running = deployed.call("GET", f"/api/v1/jobs/{job_id}/tasks?state=RUNNING")["tasks"]
    assert running
    assert running[0]["worker"]
    answer = deployed.send("POST", f"/api/v1/jobs/{job_id}/cancel")
    assert (answer.status, answer.json()["state"]) == (202, "STOPPING")
    job = deployed.finish(job_id)
    assert job["state"] == "CANCELLED"
    assert job["counts"]["succeeded"] + job["counts"]["cancelled"] == 50
    assert job["counts"]["cancelled"] > 0
    assert deployed.send("POST", f"/api/v1/jobs/{job_id}/cancel").status == 409


def test_an_unknown_handler_is_explained_and_does_not_fail_silently(deployed: Deployed) -> None:
    job_id = deployed.submit("nobody.has_this", {"count": 1})

    def named() -> bool:
        scan = deployed.client("dynamodb").scan(TableName=deployed.stack.tables["workers"])
        return "nobody.has_this" in json.dumps(scan["Items"])

    deployed.until(named)
    assert deployed.job(job_id)["counts"]["failed"] == 0
    deployed.call("POST", f"/api/v1/jobs/{job_id}/cancel")
    assert deployed.finish(job_id)["state"] == "CANCELLED"


def test_the_profiler_profiles_good_files_and_explains_broken_ones(deployed: Deployed) -> None:
    s3, bucket = deployed.client("s3"), deployed.stack.buckets["data"]
    files = {
        "good.csv": b"a,b\n1,x\n2,y\n,z\n",
        "empty.csv": b"",
        "binary.csv": bytes(range(256)) * 20,
        "cut.csv.gz": b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03K",
    }
    for name, body in files.items():
        s3.put_object(Bucket=bucket, Key=f"uploads/e2e/{name}", Body=body)
    items = [{"key": f"uploads/e2e/{name}", "name": name} for name in [*files, "missing.csv"]]
    job_id = deployed.submit("csv.profile", {"items": items})
    assert deployed.finish(job_id)["state"] == "FAILED"
    good, *broken = deployed.lines(job_id)
    assert good["result"]["rows"] == 3
    assert {column["name"]: column["nulls"] for column in good["result"]["columns"]} == {
        "a": 1,
        "b": 0,
    }
    assert len({line["error"]["type"] for line in broken}) == 4
    for line in broken:
        assert line["error"]["message"]
        assert line["error"]["traceback"] is None
