"""What the deployed API shows of jobs and workers: bytes arrive as bytes, and the roles allow the reads."""

from __future__ import annotations

import pytest

from tests.e2e.conftest import Deployed
from tests.fakes.grid import GridReader

pytestmark = pytest.mark.stack

OCTETS = {"Accept": "application/octet-stream"}


@pytest.fixture(scope="module")
def job_id(deployed: Deployed) -> str:
    """Return a finished job of 260 tasks."""
    job_id = deployed.submit("e2e.index", {"count": 260}, tags={"kind": "insight"})
    deployed.finish(job_id)
    return job_id


def test_the_grid_arrives_as_bytes_and_then_only_its_changes(
    deployed: Deployed, job_id: str
) -> None:
    path = f"/api/v1/jobs/{job_id}/grid"
    answer = deployed.send("GET", path, headers=OCTETS)
    assert (answer.status, answer.headers["Content-Type"]) == (200, "application/octet-stream")
    reader = GridReader().apply(answer.body)
    assert reader.counts() == {"SUCCEEDED": 260}
    since = f"{path}?since={reader.header['version']}"
    assert reader.apply(deployed.send("GET", since, headers=OCTETS).body).leaves == []
    known = OCTETS | {"If-None-Match": answer.headers["ETag"]}
    assert deployed.send("GET", path, headers=known).status == 304
    packed = deployed.send("GET", path, headers=OCTETS | {"Accept-Encoding": "gzip"})
    assert packed.headers["Content-Encoding"] == "gzip"
    assert packed.body == answer.body, "the client has unpacked it"
    refused = deployed.send("GET", path, headers={"Accept": "*/*"})
    assert (refused.status, refused.json()["code"]) == (406, "not_acceptable")
    missing = deployed.send("GET", path.replace(job_id, "0" * 26), headers=OCTETS)
    assert (missing.status, missing.json()["code"]) == (404, "not_found")


def test_what_happened_how_fast_and_at_what_price(deployed: Deployed, job_id: str) -> None:
    path = f"/api/v1/jobs/{job_id}"
    events = deployed.call("GET", f"{path}/events")["events"]
    assert [e["event"] for e in events] == ["submitted", "planned", "started", "finished"]
    series = deployed.call("GET", f"{path}/series")
    assert series["points"][-1]["succeeded"] == 260
    assert series["durations"]["sampled"] == 260
    cost = deployed.call("GET", f"{path}/cost")
    assert (cost["attempts"], cost["worker_seconds_basis"]) == (260, "counted")
    assert deployed.call("GET", f"{path}/errors")["groups"] == []
    listed = deployed.call("GET", "/api/v1/jobs?name=e2e&tag=kind:insight")
    assert job_id in {job["job_id"] for job in listed["jobs"]}


def test_both_workers_are_listed(deployed: Deployed, job_id: str) -> None:
    workers = deployed.until(
        lambda: [
            worker
            for worker in deployed.call("GET", "/api/v1/workers")["workers"]
            if "e2e.index" in worker["handlers"]
        ]
    )
    assert len(workers) == 2
    assert all(worker["alive_since"] <= worker["seen_at"] for worker in workers)


def test_what_handlers_take_is_told_by_workers_once_each(deployed: Deployed, job_id: str) -> None:
    def schemas() -> object:
        page = deployed.call("GET", "/api/v1/workers?schemas=true")
        return page["schemas"].get("e2e.sized")

    schema = deployed.until(schemas)
    assert schema["properties"]["bytes"]["type"] == "integer"
    assert schema["required"] == ["bytes"]
    assert deployed.call("GET", "/api/v1/workers")["schemas"] is None


def test_failed_tasks_of_one_type_are_listed(deployed: Deployed) -> None:
    job_id = deployed.submit("e2e.odd", {"count": 30})
    deployed.finish(job_id)
    tasks = f"/api/v1/jobs/{job_id}/tasks?limit=1000"
    for query in ("error_type=Odd", "state=FAILED&error_type=Odd"):
        page = deployed.call("GET", f"{tasks}&{query}")
        assert [task["index"] for task in page["tasks"]] == list(range(1, 30, 2))
        assert page["next_cursor"] is None
    assert deployed.call("GET", f"{tasks}&error_type=odd")["tasks"] == []
