"""Manifests, matrices and prefixes through the deployed application: uploads, plans, bad input."""

from __future__ import annotations

import gzip
import hashlib
import json
from typing import Any

import pytest

from local import api
from tests.e2e.conftest import Deployed
from tests.e2e.test_api import mint
from tests.unit.functions.test_bad_input import OK
from tests.unit.functions.test_bad_tasks import BAD_TASKS

pytestmark = pytest.mark.stack


def upload(
    deployed: Deployed, name: str, body: bytes, sent: bytes | None = None
) -> tuple[str, int]:
    """Upload a file as the API says; return its key and what the bucket answered."""
    wanted = {
        "filename": name,
        "size_bytes": len(body),
        "sha256": hashlib.sha256(body).hexdigest(),
    }
    where = deployed.call("POST", "/api/v1/uploads", wanted)
    headers = {k: v for k, v in where["headers"].items() if k != "Content-Length"}
    put = api.send(where["method"], where["url"], body if sent is None else sent, headers)
    return where["key"], put.status


def values(deployed: Deployed, job_id: str) -> list[Any]:
    """Return the inputs that the handlers saw, by index."""
    lines = deployed.lines(job_id)
    assert [line["index"] for line in lines] == list(range(len(lines)))
    return [line["result"]["input"] for line in lines]


def test_an_uploaded_manifest_is_planned_run_and_shown(deployed: Deployed) -> None:
    tasks = [{"n": n, "text": "ünï\n" * (n % 3)} for n in range(700)]
    text = "\r\n".join(json.dumps(task, ensure_ascii=False) for task in tasks)
    body = gzip.compress(b"\xef\xbb\xbf" + text.encode())
    key, status = upload(deployed, "tasks.jsonl.gz", body)
    assert status == 200
    form = {"manifest": {"key": key}}
    plan = deployed.call(
        "POST", "/api/v1/plans", {"name": "n", "handler": "e2e.index", "tasks": form}
    )
    assert (plan["accepted"], plan["total"], plan["total_is"]) == (True, 700, "exact")
    job_id = deployed.submit("e2e.index", form)
    job = deployed.finish(job_id)
    assert (job["state"], job["total"]) == ("SUCCEEDED", 700)
    assert values(deployed, job_id) == tasks
    assert deployed.call("GET", f"/api/v1/tasks/{job_id}-2")["input"] == tasks[2]


def test_a_csv_with_quoted_newlines_and_bad_rows_to_skip(deployed: Deployed) -> None:
    body = b'key,note\r\na,"two\r\nlines"\r\nbad\r\nb,"say ""hi"""\r\n\r\nc,\r\n'
    key, status = upload(deployed, "rows.csv", body)
    assert status == 200
    job_id = deployed.submit("e2e.index", {"manifest": {"key": key, "on_bad_line": "skip"}})
    assert deployed.finish(job_id)["total"] == 3
    assert values(deployed, job_id) == [
        {"key": "a", "note": "two\r\nlines"},
        {"key": "b", "note": 'say "hi"'},
        {"key": "c", "note": ""},
    ]
    found = deployed.call("GET", f"/api/v1/jobs/{job_id}/bad-lines")
    assert (found["count"], found["all_read"]) == (1, True)
    assert found["lines"][0]["line"] == 4


def test_a_file_other_than_the_announced_one_is_refused_by_the_bucket(deployed: Deployed) -> None:
    key, status = upload(deployed, "a.jsonl", b"1\n", sent=b"2\n")
    assert status == 400
    answer = deployed.send(
        "POST", "/api/v1/jobs", json.dumps(OK | {"tasks": {"manifest": {"key": key}}}).encode()
    )
    assert answer.status == 422
    assert "is not in the data bucket" in answer.json()["detail"]


def test_bad_lines_behind_the_beginning_end_the_job_before_it_has_a_task(
    deployed: Deployed,
) -> None:
    key, _ = upload(deployed, "a.jsonl", b'{"n": 1}\n' * 20_000 + b"{bad\n" + b"1\n" * 10)
    job_id = deployed.submit("e2e.index", {"manifest": {"key": key}})
    job = deployed.finish(job_id)
    assert (job["state"], job["total"]) == ("FAILED", 0)
    assert "line 20001 is not JSON" in job["state_reason"]
    found = deployed.call("GET", f"/api/v1/jobs/{job_id}/bad-lines")
    assert [(line["line"], line["seen"]) for line in found["lines"]] == [(20_001, "{bad")]
    assert deployed.call("GET", f"/api/v1/jobs/{job_id}/tasks")["tasks"] == []
    assert deployed.call("GET", f"/api/v1/jobs/{job_id}/audit")["verdict"] == "clean"


def test_a_matrix_reaches_the_handlers_by_index(deployed: Deployed) -> None:
    form = {
        "matrix": {"lr": [0.1, 0.01], "seed": "1..20"},
        "exclude": [{"lr": 0.1, "seed": 3}],
        "include": [{"lr": 9.5, "seed": 0}],
    }
    job_id = deployed.submit("e2e.index", form)
    assert deployed.call("GET", f"/api/v1/jobs/{job_id}")["total"] == 40
    assert deployed.finish(job_id)["state"] == "SUCCEEDED"
    seen = values(deployed, job_id)
    assert seen[:3] == [{"lr": 0.1, "seed": 1}, {"lr": 0.1, "seed": 2}, {"lr": 0.1, "seed": 4}]
    assert seen[-2:] == [{"lr": 0.01, "seed": 20}, {"lr": 9.5, "seed": 0}]


def test_objects_below_a_prefix_are_tasks(deployed: Deployed) -> None:
    s3, bucket = deployed.client("s3"), deployed.stack.buckets["data"]
    for name in ("b.csv", "a.csv", "c.txt"):
        s3.put_object(Bucket=bucket, Key=f"shared/e2e/{name}", Body=name.encode())
    job_id = deployed.submit("e2e.index", {"prefix": "shared/e2e/*.csv"})
    assert deployed.finish(job_id)["total"] == 2
    assert [(v["key"], v["size_bytes"]) for v in values(deployed, job_id)] == [
        ("shared/e2e/a.csv", 5),
        ("shared/e2e/b.csv", 5),
    ]


def test_another_tenant_s_upload_is_out_of_reach(deployed: Deployed) -> None:
    key, _ = upload(deployed, "mine.jsonl", b"1\n")
    stranger, _ = mint(deployed, "stranger", "admin")
    for form in ({"manifest": {"key": key}}, {"prefix": key[:-5]}):
        for route in ("jobs", "plans"):
            body = json.dumps(OK | {"tasks": form}).encode()
            answer = deployed.send("POST", f"/api/v1/{route}", body, key=stranger)
            assert answer.status == 422
            assert "must begin with uploads/stranger/" in answer.json()["detail"]


@pytest.mark.parametrize("case", BAD_TASKS)
def test_tasks_that_cannot_be_are_422(deployed: Deployed, case: str) -> None:
    change, field, rule, _ = BAD_TASKS[case]
    answer = deployed.send("POST", "/api/v1/jobs", json.dumps(OK | change).encode())
    assert answer.status == 422
    (error,) = answer.json()["errors"]
    assert error["field"] == field
    assert rule in error["rule"]
