"""The routes that show what a job does: status, headers and forms, over the real use cases."""

from __future__ import annotations

import base64
import gzip
import json
from dataclasses import replace
from typing import Any

import pytest

from jobs_api.app import handler
from orchestrator.model.wire import HeartbeatIn
from orchestrator.service.beat import heartbeat
from orchestrator.service.ports import Limits
from tests.fakes.cluster import Cluster
from tests.fakes.grid import GridReader
from tests.fakes.lives import odd_fail
from tests.fakes.world import World
from work_api.app import handler as work_api

from .conftest import Context, Edit


@pytest.fixture
def cluster(world: World) -> Cluster:
    """Return a job of 300 tasks of which every other failed."""
    cluster = Cluster(world=world)
    cluster.submit(tasks={"count": 300}, retry={"max_attempts": 1})
    cluster.begin()
    cluster.work(odd_fail)
    cluster.end()
    return cluster


def header(answer: dict[str, Any], name: str) -> str | None:
    """Return one of an answer's headers."""
    single = answer.get("headers") or {}
    several = answer.get("multiValueHeaders") or {}
    found: str | None = single.get(name) or (several.get(name) or [None])[0]
    return found


def test_the_grid_is_bytes_that_only_a_changed_one_sends_again(
    cluster: Cluster, rest: Edit, context: Context
) -> None:
    first = handler(rest("jobs_api/get_grid", job_id=cluster.job_id), context)
    assert (first["statusCode"], first["isBase64Encoded"]) == (200, True)
    assert header(first, "Content-Type") == "application/octet-stream"
    reader = GridReader().apply(base64.b64decode(first["body"]))
    assert reader.counts() == {"SUCCEEDED": 150, "FAILED": 150}
    tag = header(first, "ETag")
    assert tag is not None
    seen = rest("jobs_api/get_grid", job_id=cluster.job_id, headers={"If-None-Match": tag})
    unchanged = handler(seen, context)
    assert (unchanged["statusCode"], unchanged["body"]) == (304, "")
    cluster.retry()
    assert handler(seen, context)["statusCode"] == 200
    query = {"since": reader.header["version"]}
    changes = handler(rest("jobs_api/get_grid", job_id=cluster.job_id, query=query), context)
    assert reader.apply(base64.b64decode(changes["body"])).leaves == []
    assert reader.header["gen"] == 2


def test_the_grid_is_compressed_for_who_takes_it(
    cluster: Cluster, rest: Edit, context: Context
) -> None:
    event = rest(
        "jobs_api/get_grid", job_id=cluster.job_id, headers={"Accept-Encoding": "br, gzip"}
    )
    answer = handler(event, context)
    assert header(answer, "Content-Encoding") == "gzip"
    body = gzip.decompress(base64.b64decode(answer["body"]))
    assert len(GridReader().apply(body).cells) == 300


@pytest.mark.parametrize(
    "accept", ["*/*", "application/json", "text/html, application/octet-stream"]
)
def test_bytes_are_refused_to_who_would_get_them_as_text(
    cluster: Cluster, rest: Edit, context: Context, accept: str
) -> None:
    event = rest("jobs_api/get_grid", job_id=cluster.job_id, headers={"Accept": accept})
    answer = handler(event, context)
    problem = json.loads(answer["body"])
    assert (answer["statusCode"], problem["code"]) == (406, "not_acceptable")
    assert "application/octet-stream" in problem["action"]


def test_a_version_of_another_job_is_refused(
    cluster: Cluster, rest: Edit, context: Context
) -> None:
    answer = handler(
        rest("jobs_api/get_grid", job_id=cluster.job_id, query={"since": "b" * 40}), context
    )
    assert (answer["statusCode"], json.loads(answer["body"])["code"]) == (400, "invalid_cursor")
    assert answer["isBase64Encoded"] is False


def ask(rest: Edit, context: Context, name: str, job_id: str, **query: str) -> tuple[int, Any]:
    """Return status and body of one of the routes."""
    answer = handler(rest(f"jobs_api/{name}", job_id=job_id, query=query), context)
    return answer["statusCode"], json.loads(answer["body"])


def test_failures_are_grouped_page_by_page(cluster: Cluster, rest: Edit, context: Context) -> None:
    status, page = ask(rest, context, "get_errors", cluster.job_id, limit="100")
    (group,) = page["groups"]
    assert (status, group["error_type"], group["count"]) == (200, "Boom", 100)
    assert (page["state"], page["read"], page["total"], page["complete"]) == (
        "FAILED",
        100,
        150,
        False,
    )
    cursor = page["next_cursor"]
    _, rest_of_it = ask(rest, context, "get_errors", cluster.job_id, limit="100", cursor=cursor)
    assert (rest_of_it["read"], rest_of_it["next_cursor"]) == (50, None)
    _, retrying = ask(rest, context, "get_errors", cluster.job_id, state="RETRYING")
    assert (retrying["groups"], retrying["complete"]) == ([], True)


@pytest.mark.parametrize(
    ("name", "query"),
    [
        ("get_errors", {"state": "SUCCEEDED"}),
        ("get_errors", {"limit": "1001"}),
        ("get_series", {"gen": "0"}),
        ("get_series", {"gen": "2"}),
        ("get_events", {"since": "1"}),
    ],
)
def test_a_query_that_a_route_does_not_take_is_422(
    cluster: Cluster, rest: Edit, context: Context, name: str, query: dict[str, str]
) -> None:
    status, problem = ask(rest, context, name, cluster.job_id, **query)
    assert (status, problem["code"]) == (422, "invalid_field")
    assert problem["errors"][0]["field"] in query


def test_events_and_series_of_a_job(cluster: Cluster, rest: Edit, context: Context) -> None:
    _, events = ask(rest, context, "get_events", cluster.job_id)
    assert [e["event"] for e in events["events"]] == ["submitted", "planned", "started", "finished"]
    _, series = ask(rest, context, "get_series", cluster.job_id)
    last = series["points"][-1]
    assert (last["succeeded"], last["failed"]) == (150, 150)
    assert series["durations"]["basis"] == "all"


@pytest.mark.parametrize("name", ["get_events", "get_series"])
def test_what_has_not_changed_is_304(
    cluster: Cluster, rest: Edit, context: Context, name: str
) -> None:
    first = handler(rest(f"jobs_api/{name}", job_id=cluster.job_id), context)
    tag = header(first, "ETag")
    assert tag is not None
    seen = rest(f"jobs_api/{name}", job_id=cluster.job_id, headers={"If-None-Match": tag})
    assert handler(seen, context)["statusCode"] == 304
    cluster.retry()
    assert handler(seen, context)["statusCode"] == 200


@pytest.mark.parametrize("name", ["get_grid", "get_errors", "get_events", "get_series", "get_cost"])
def test_another_tenant_s_job_is_404(
    cluster: Cluster, rest: Edit, context: Context, name: str
) -> None:
    event = rest(f"jobs_api/{name}", job_id=cluster.job_id, caller={"tenant": "other"})
    answer = handler(event, context)
    assert (answer["statusCode"], json.loads(answer["body"])["code"]) == (404, "not_found")


def test_workers_are_listed(cluster: Cluster, rest: Edit, context: Context) -> None:
    body = HeartbeatIn(version="1", slots=2, handlers=["echo"])
    for number in range(3):
        heartbeat(cluster.world.deps, f"w-{number}", body)
    first = json.loads(
        handler(rest("jobs_api/list_workers", query={"limit": "2"}), context)["body"]
    )
    query = {"limit": "2", "cursor": first["next_cursor"]}
    last = json.loads(handler(rest("jobs_api/list_workers", query=query), context)["body"])
    names = [worker["worker_id"] for worker in first["workers"] + last["workers"]]
    assert sorted(names) == ["w-0", "w-1", "w-2"]
    assert last["next_cursor"] is None


def test_schemas_of_handlers_come_with_the_list_of_workers_where_they_are_asked_for(
    world: World, rest: Edit, context: Context
) -> None:
    beaten = json.loads(work_api(rest("work_api/heartbeat"), context)["body"])
    assert beaten["schemas_wanted"] is False

    def schemas(**query: str) -> object:
        answer = handler(rest("jobs_api/list_workers", query=query), context)
        return json.loads(answer["body"])["schemas"]

    sent = json.loads(rest("work_api/heartbeat")["body"])["schemas"]
    assert sent["sleep"]["required"] == ["seconds"]
    assert len(world.store.schemas) == 1
    assert schemas(schemas="true") == sent
    assert schemas() is None


def test_jobs_are_found_by_name_and_by_several_tags(
    world: World, rest: Edit, context: Context
) -> None:
    for number, tags in enumerate(({"a": "1"}, {"a": "1", "b": "2"}, {"b": "2"})):
        Cluster(world=world).submit(name=f"Job {number}", tags=tags)

    def names(name: str | None, *tags: str) -> list[str]:
        event = rest("jobs_api/list_jobs")
        sent = {"name": [name]} if name is not None else {}
        sent |= {"tag": list(tags)} if tags else {}
        event["multiValueQueryStringParameters"] = sent
        event["queryStringParameters"] = {key: values[-1] for key, values in sent.items()}
        answer = handler(event, context)
        assert answer["statusCode"] == 200, answer["body"]
        return [job["name"] for job in json.loads(answer["body"])["jobs"]]

    assert names("job") == ["Job 2", "Job 1", "Job 0"]
    assert names(None, "a:1") == ["Job 1", "Job 0"]
    assert names(None, "a:1", "b") == ["Job 1"]
    assert names("2", "b") == ["Job 2"]


def test_the_receipt_says_that_it_is_an_estimate(
    cluster: Cluster, rest: Edit, context: Context
) -> None:
    status, receipt = ask(rest, context, "get_cost", cluster.job_id)
    assert (status, receipt["estimate"], receipt["attempts"]) == (200, True, 300)
    assert receipt["total_usd"] > 0
    assert {line["basis"] for line in receipt["lines"]} == {"counted", "derived", "modelled"}


@pytest.mark.parametrize(
    ("limits", "status", "code"),
    [
        (Limits(active_jobs=1), 429, "quota_exceeded"),
        (Limits(tasks_per_job=2), 422, "invalid_field"),
    ],
)
def test_a_submit_above_a_limit_says_which(
    world: World, rest: Edit, context: Context, limits: Limits, status: int, code: str
) -> None:
    Cluster(world=world).submit(tasks={"count": 1})
    world.deps = replace(world.deps, limits=limits)
    answer = handler(rest("jobs_api/submit_job"), context)
    problem = json.loads(answer["body"])
    assert (answer["statusCode"], problem["code"]) == (status, code)
    assert problem["action"]
    assert (header(answer, "Retry-After") == "5") is (status == 429)
