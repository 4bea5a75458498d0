"""The routes of people and programs: status, headers and bodies, over the real use cases."""

from __future__ import annotations

import json
from typing import Any

import pytest

from jobs_api.app import handler
from orchestrator.model.states import JobState
from orchestrator.service.ports import JobGuard
from rest.conditional import matches
from tests.fakes.world import World

from .conftest import CallJournal, Context, Edit


class Answer:
    """A function's answer, its headers without their lists."""

    def __init__(self, raw: dict[str, Any]) -> None:
        self.status: int = raw["statusCode"]
        self.text: str = raw["body"] or ""
        lists = raw.get("multiValueHeaders") or {}
        self.headers: dict[str, str] = {key: value[0] for key, value in lists.items()}
        self.headers |= raw.get("headers") or {}

    @property
    def body(self) -> Any:
        return json.loads(self.text)


def ask(event: dict[str, Any], context: Context) -> Answer:
    return Answer(handler(event, context))


@pytest.fixture
def job_id(world: World, rest: Edit, context: Context) -> str:
    answer = ask(rest("jobs_api/submit_job"), context)
    assert answer.status == 201, answer.text
    job_id: str = answer.body["job_id"]
    return job_id


def test_a_submission_answers_the_job_and_where_it_is(
    world: World, rest: Edit, context: Context
) -> None:
    answer = ask(rest("jobs_api/submit_job"), context)
    job = answer.body
    assert answer.status == 201
    assert answer.headers["Location"] == f"jobs/{job['job_id']}"
    assert answer.headers["Content-Type"] == "application/json"
    assert (job["state"], job["total"]) == ("CREATED", 3)
    assert sum(job["counts"].values()) == job["total"]
    assert world.machine.status(job["job_id"], 1, 1) == "RUNNING"


def test_a_repeated_key_answers_the_first_job_with_200(
    world: World, job_id: str, rest: Edit, context: Context
) -> None:
    again = ask(rest("jobs_api/submit_job"), context)
    assert (again.status, again.body["job_id"]) == (200, job_id)
    other = ask(
        rest("jobs_api/submit_job", body={"name": "x", "handler": "echo", "tasks": {"count": 1}}),
        context,
    )
    assert (other.status, other.body["code"]) == (409, "idempotency_key_reused")


def test_without_a_key_each_submission_is_a_job(world: World, rest: Edit, context: Context) -> None:
    event = rest("jobs_api/submit_job")
    for headers in (event["headers"], event["multiValueHeaders"]):
        del headers["Idempotency-Key"]
    first, second = ask(event, context), ask(event, context)
    assert (first.status, second.status) == (201, 201)
    assert first.body["job_id"] != second.body["job_id"]


def test_the_header_s_case_does_not_matter(world: World, rest: Edit, context: Context) -> None:
    event = rest("jobs_api/submit_job")
    for headers in (event["headers"], event["multiValueHeaders"]):
        headers["IDEMPOTENCY-KEY"] = headers.pop("Idempotency-Key")
    ask(event, context)
    assert ask(rest("jobs_api/submit_job"), context).status == 200


def test_jobs_are_listed_page_by_page(world: World, rest: Edit, context: Context) -> None:
    for number in range(3):
        ask(rest("jobs_api/submit_job", headers={"Idempotency-Key": str(number)}), context)
    first = ask(rest("jobs_api/list_jobs", query={"limit": "2"}), context).body
    cursor = first["next_cursor"]
    last = ask(rest("jobs_api/list_jobs", query={"limit": "2", "cursor": cursor}), context).body
    assert [len(page["jobs"]) for page in (first, last)] == [2, 1]
    assert last["next_cursor"] is None
    none = ask(rest("jobs_api/list_jobs"), context).body
    assert none == {"jobs": [], "next_cursor": None}


def test_an_unchanged_job_is_304_and_a_changed_one_is_not(
    world: World, job_id: str, rest: Edit, context: Context
) -> None:
    first = ask(rest("jobs_api/get_job", job_id=job_id), context)
    assert (first.status, first.body["job_id"]) == (200, job_id)
    tag = first.headers["ETag"]
    assert tag.startswith('W/"')
    seen = rest("jobs_api/get_job", job_id=job_id, headers={"If-None-Match": f'"a", {tag}'})
    unchanged = ask(seen, context)
    assert (unchanged.status, unchanged.text) == (304, "")
    assert unchanged.headers["ETag"] == tag
    world.store.update_job(job_id, JobGuard(), state=JobState.ENQUEUING)
    assert ask(seen, context).status == 200


@pytest.mark.parametrize(
    ("header", "same"),
    [
        (None, False),
        ('W/"t"', True),
        ('"t"', True),
        ('W/"x", "t"', True),
        (" * ", True),
        ('"x"', False),
        ("t", False),
        ("", False),
    ],
)
def test_if_none_match_compares_weakly(header: str | None, same: bool) -> None:
    assert matches(header, "t") is same


def test_another_tenant_s_job_is_404_on_every_route(
    world: World, job_id: str, rest: Edit, context: Context
) -> None:
    names = ("get_job", "list_tasks", "get_results", "audit_job", "cancel_job", "retry_job")
    events = [rest(f"jobs_api/{name}", job_id=job_id) for name in names]
    events.append(rest("jobs_api/get_task", task_id=f"{job_id}-0"))
    for event in events:
        event["requestContext"]["authorizer"]["tenant"] = "other"
        answer = ask(event, context)
        assert (answer.status, answer.body["code"]) == (404, "not_found"), event["path"]


def test_a_viewer_reads_and_does_not_write(
    world: World, job_id: str, rest: Edit, context: Context
) -> None:
    viewer = {"role": "viewer"}
    for name in ("get_job", "list_tasks", "audit_job"):
        assert ask(rest(f"jobs_api/{name}", job_id=job_id, caller=viewer), context).status == 200
    for event in (
        rest("jobs_api/submit_job", caller=viewer),
        rest("jobs_api/cancel_job", job_id=job_id, caller=viewer),
        rest("jobs_api/retry_job", job_id=job_id, caller=viewer),
    ):
        answer = ask(event, context)
        assert (answer.status, answer.body["code"]) == (403, "forbidden")
        assert "submitter" in answer.body["detail"]


def test_a_route_without_its_authorizer_answers_401(
    world: World, rest: Edit, context: Context
) -> None:
    event = rest("jobs_api/list_jobs")
    del event["requestContext"]["authorizer"]
    answer = ask(event, context)
    assert (answer.status, answer.headers["WWW-Authenticate"]) == (401, "Bearer")


def test_tasks_are_listed_and_read(world: World, job_id: str, rest: Edit, context: Context) -> None:
    page = ask(rest("jobs_api/list_tasks", job_id=job_id, query={"limit": "2"}), context).body
    assert [task["index"] for task in page["tasks"]] == [0, 1]
    assert page["next_cursor"]
    assert ask(rest("jobs_api/list_tasks", job_id=job_id), context).body["tasks"] == []
    task = ask(rest("jobs_api/get_task", task_id=f"{job_id}-2"), context).body
    assert (task["index"], task["state"], task["attempts"]) == (2, "PENDING", [])


def test_cancel_is_202_and_the_results_of_a_running_job_are_409(
    world: World, job_id: str, rest: Edit, context: Context
) -> None:
    assert ask(rest("jobs_api/get_results", job_id=job_id), context).status == 409
    answer = ask(rest("jobs_api/cancel_job", job_id=job_id), context)
    assert (answer.status, answer.body["state"]) == (202, "STOPPING")
    retry = ask(rest("jobs_api/retry_job", job_id=job_id), context)
    assert (retry.status, retry.body["code"]) == (409, "conflict")


def test_a_retry_needs_no_body(world: World, job_id: str, rest: Edit, context: Context) -> None:
    event = rest("jobs_api/retry_job", job_id=job_id)
    event["body"] = None
    assert ask(event, context).status == 409


def test_an_audit_tells_its_verdict_what_was_checked_and_the_counts(
    world: World, job_id: str, rest: Edit, context: Context
) -> None:
    page = ask(rest("jobs_api/audit_job", job_id=job_id), context).body
    assert (page["verdict"], page["state"], page["gen"]) == ("in_progress", "CREATED", 1)
    assert (page["checked"], page["total"]) == ({"start": 0, "stop": 3}, 3)
    assert page["counts"]["sets"] == {"PENDING": 3}
    assert (page["findings"], page["next_cursor"]) == ([], None)
    world.store.update_job(job_id, JobGuard(), state=JobState.SUCCEEDED)
    damaged = ask(rest("jobs_api/audit_job", job_id=job_id), context).body
    assert damaged["verdict"] == "violated"
    assert damaged["kinds"]["task_not_final"] == 3
    assert {"kind", "severity", "expected", "found"} <= damaged["findings"][0].keys()


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"limit": "0"}, "limit"),
        ({"limit": "65"}, "limit"),
        ({"first": "-1"}, "first"),
        ({"first": "1000000"}, "first"),
        ({"first": "250"}, "first"),
        ({"from": "0"}, "from"),
    ],
)
def test_an_audit_that_asks_for_what_is_not_there_is_422(
    world: World, job_id: str, rest: Edit, context: Context, query: dict[str, str], field: str
) -> None:
    answer = ask(rest("jobs_api/audit_job", job_id=job_id, query=query), context)
    assert (answer.status, answer.body["errors"][0]["field"]) == (422, field)


def test_keys_are_made_listed_and_revoked_by_whoever_signed(
    world: World, rest: Edit, context: Context
) -> None:
    made = ask(rest("jobs_api/mint_key"), context)
    assert (made.status, made.headers["Cache-Control"]) == (201, "no-store")
    assert made.body["created_by"].endswith("/worker-0")
    (listed,) = ask(rest("jobs_api/list_keys"), context).body["keys"]
    assert listed["key_id"] == made.body["key_id"]
    assert "key" not in listed
    revoke = rest("jobs_api/revoke_key", key_id=listed["key_id"])
    gone = ask(revoke, context)
    assert (gone.status, gone.text) == (204, "")
    assert ask(revoke, context).status == 404


def test_a_preflight_names_methods_and_headers(world: World, rest: Edit, context: Context) -> None:
    answer = ask(rest("jobs_api/preflight"), context)
    assert answer.status == 204
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert "Idempotency-Key" in answer.headers["Access-Control-Allow-Headers"]
    assert {"GET", "POST"} <= set(answer.headers["Access-Control-Allow-Methods"].split(","))


def test_answers_to_a_page_of_another_origin_may_be_read_by_it(
    world: World, rest: Edit, context: Context
) -> None:
    origin = {"Origin": "https://jobs.example.org"}
    for event in (
        rest("jobs_api/submit_job", headers=origin),
        rest("jobs_api/get_job", headers=origin),
        rest("jobs_api/submit_job", headers=origin, text="{"),
    ):
        answer = ask(event, context)
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
        assert "ETag" in answer.headers["Access-Control-Expose-Headers"]


def test_an_unknown_route_is_404(world: World, rest: Edit, context: Context) -> None:
    event = rest("jobs_api/health", query={"x": "1"}) | {"path": "/api/v1/nonsense"}
    answer = ask(event, context)
    assert (answer.status, answer.body["code"]) == (404, "not_found")
    assert "/api/v1/nonsense" in answer.body["detail"]


def test_health_touches_nothing(rest: Edit, context: Context, journal: CallJournal) -> None:
    answer = ask(rest("jobs_api/health"), context)
    assert (answer.status, answer.body) == (200, {"status": "ok"})


def test_the_documentation_needs_no_other_origin(
    rest: Edit, context: Context, journal: CallJournal
) -> None:
    page = ask(rest("jobs_api/docs"), context)
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    assert "SwaggerUIBundle" in page.text
    assert "<script src" not in page.text
    assert "<link" not in page.text
    assert len(page.text.encode()) < 5_000_000
    document = ask(rest("jobs_api/openapi"), context)
    assert document.body["openapi"].startswith("3.1")


def test_one_line_a_request_names_route_status_tenant_and_job(
    world: World, job_id: str, rest: Edit, context: Context, journal: CallJournal
) -> None:
    ask(rest("jobs_api/get_task", task_id=f"{job_id}-1"), context)
    expected = {
        "message": "request.answered",
        "route": "/api/v1/tasks/{task_id}",
        "status": 200,
        "tenant": "acme",
        "job_id": job_id,
        "task_id": f"{job_id}-1",
        "request_id": "5f1c2f0e-6c1b-4f5a-9a55-0c7f3f1d2b3a",
    }
    assert expected.items() <= journal.lines[-1].items()


def test_an_id_that_is_none_is_not_logged_as_one(
    world: World, rest: Edit, context: Context, journal: CallJournal
) -> None:
    ask(rest("jobs_api/get_job", job_id="no-id"), context)
    assert journal.lines[-1]["job_id"] is None


def test_an_unknown_error_is_a_bug_and_propagates(
    world: World, rest: Edit, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(world.store, "get_job_and_root", lambda _: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        ask(rest("jobs_api/get_job"), context)
