"""The deployed API: access, conditional reads, idempotency, and bad input."""

from __future__ import annotations

import json
from uuid import uuid4

import pytest

from local import api
from tests.e2e.conftest import Deployed, secret_of
from tests.unit.functions.test_bad_input import BAD_FIELDS, NOT_READABLE, OK

pytestmark = pytest.mark.stack


def mint(deployed: Deployed, tenant: str, role: str) -> tuple[str, str]:
    """Mint a key; return it and its id."""
    url = f"{deployed.stack.api_url}/api/v1/keys"
    body = {"name": f"{tenant} {role}", "tenant": tenant, "role": role}
    minted = api.call_signed("POST", url, body).json()
    return minted["key"], minted["key_id"]


def test_health_and_docs_need_no_key(deployed: Deployed) -> None:
    assert deployed.send("GET", "/api/v1/health", key="").status == 200
    page = deployed.send("GET", "/api/v1/docs", key="")
    assert page.status == 200
    assert b"swagger" in page.body.lower()
    document = deployed.send("GET", "/api/v1/openapi.json", key="").json()
    assert "/api/v1/jobs" in document["paths"]


@pytest.mark.parametrize("key", ["", "wrong", f"djo_{'0' * 26}_secret"])
def test_a_missing_or_wrong_key_is_401(deployed: Deployed, key: str) -> None:
    assert deployed.send("GET", "/api/v1/jobs", key=key).status == 401


def test_a_viewer_reads_but_does_not_submit(deployed: Deployed) -> None:
    viewer, _ = mint(deployed, "local", "viewer")
    assert deployed.send("GET", "/api/v1/jobs", key=viewer).status == 200
    answer = deployed.send("POST", "/api/v1/jobs", json.dumps(OK).encode(), key=viewer)
    assert (answer.status, answer.json()["code"]) == (403, "forbidden")


def test_another_tenant_s_job_does_not_exist(deployed: Deployed) -> None:
    job_id = deployed.submit("e2e.index", {"count": 1})
    stranger, _ = mint(deployed, "stranger", "admin")
    for path in (f"jobs/{job_id}", f"jobs/{job_id}/tasks", f"tasks/{job_id}-0"):
        assert deployed.send("GET", f"/api/v1/{path}", key=stranger).status == 404
    assert deployed.call("GET", "/api/v1/jobs", key=stranger)["jobs"] == []
    deployed.finish(job_id)


def test_keys_are_listed_without_secrets_and_revoked(deployed: Deployed) -> None:
    key, key_id = mint(deployed, "local", "viewer")
    url = f"{deployed.stack.api_url}/api/v1/keys"
    listed = api.call_signed("GET", url, None)
    assert key_id in {item["key_id"] for item in listed.json()["keys"]}
    assert secret_of(key).encode() not in listed.body
    assert api.call_signed("DELETE", f"{url}/{key_id}", None).status == 204
    assert key_id not in {k["key_id"] for k in api.call_signed("GET", url, None).json()["keys"]}


def test_submit_answers_where_the_job_is_and_a_repeat_is_the_same_job(deployed: Deployed) -> None:
    body = json.dumps({"name": "n", "handler": "e2e.index", "tasks": {"count": 2}}).encode()
    headers = {"Idempotency-Key": str(uuid4())}
    first = deployed.send("POST", "/api/v1/jobs", body, headers=headers)
    again = deployed.send("POST", "/api/v1/jobs", body, headers=headers)
    assert (first.status, again.status) == (201, 200)
    job_id = first.json()["job_id"]
    assert again.json()["job_id"] == job_id
    assert first.headers["Location"].endswith(job_id)
    other = body.replace(b'"n"', b'"m"')
    refused = deployed.send("POST", "/api/v1/jobs", other, headers=headers)
    assert (refused.status, refused.json()["code"]) == (409, "idempotency_key_reused")
    deployed.finish(job_id)


def test_an_unchanged_job_is_not_sent_twice(deployed: Deployed) -> None:
    job_id = deployed.submit("e2e.index", {"count": 1})
    deployed.finish(job_id)
    first = deployed.send("GET", f"/api/v1/jobs/{job_id}")
    headers = {"If-None-Match": first.headers["ETag"]}
    again = deployed.send("GET", f"/api/v1/jobs/{job_id}", headers=headers)
    assert (again.status, again.body) == (304, b"")


def test_jobs_are_listed_newest_first_by_state_and_page(deployed: Deployed) -> None:
    ids = [deployed.submit("e2e.index", {"count": 1}) for _ in range(3)]
    for job_id in ids:
        deployed.finish(job_id)
    page = deployed.call("GET", "/api/v1/jobs?limit=2&state=SUCCEEDED")
    assert [job["job_id"] for job in page["jobs"]] == ids[:0:-1]
    rest = deployed.call(
        "GET", f"/api/v1/jobs?limit=1&state=SUCCEEDED&cursor={page['next_cursor']}"
    )
    assert rest["jobs"][0]["job_id"] == ids[0]


def test_browsers_of_any_origin_are_answered(deployed: Deployed) -> None:
    origin = {"Origin": "http://site.example"}
    preflight = deployed.send(
        "OPTIONS",
        "/api/v1/jobs",
        key="",
        headers={**origin, "Access-Control-Request-Method": "POST"},
    )
    assert preflight.status in (200, 204)
    assert "POST" in preflight.headers["Access-Control-Allow-Methods"]
    assert (
        "Access-Control-Allow-Origin"
        in deployed.send("GET", "/api/v1/jobs", headers=origin).headers
    )


@pytest.mark.parametrize("case", NOT_READABLE)
def test_an_unreadable_body_is_a_400_that_says_why(deployed: Deployed, case: str) -> None:
    text, rule, _ = NOT_READABLE[case]
    answer = deployed.send("POST", "/api/v1/jobs", text.encode())
    assert answer.status == 400
    assert rule in answer.json()["errors"][0]["rule"]


@pytest.mark.parametrize("case", BAD_FIELDS)
def test_a_bad_field_is_a_422_that_names_it(deployed: Deployed, case: str) -> None:
    change, field, rule, _ = BAD_FIELDS[case]
    answer = deployed.send("POST", "/api/v1/jobs", json.dumps(OK | change).encode())
    assert (answer.status, answer.headers["Content-Type"]) == (422, "application/problem+json")
    (error,) = answer.json()["errors"]
    assert error["field"] == field
    assert rule in error["rule"]


def test_a_body_above_4_mb_is_413(deployed: Deployed) -> None:
    body = json.dumps(OK | {"parameters": "x" * 4 * 1024 * 1024}).encode()
    assert deployed.send("POST", "/api/v1/jobs", body).status == 413


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("jobs?cursor=tampered", 400),
        ("jobs?limit=0", 422),
        ("jobs?limit=many", 422),
        ("jobs?state=DONE", 422),
        ("jobs?naem=1", 422),
        ("jobs/not-an-id", 404),
        ("jobs/00000000000000000000000000", 404),
        ("tasks/00000000000000000000000000-0", 404),
        ("tasks/nonsense", 404),
    ],
)
def test_a_bad_read_is_a_4xx_problem(deployed: Deployed, path: str, status: int) -> None:
    answer = deployed.send("GET", f"/api/v1/{path}")
    assert answer.status == status
    problem = answer.json()
    assert problem["code"]
    assert problem["detail"]
    assert problem["action"]
