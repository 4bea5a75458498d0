"""A small job of one tenant beside large ones of another; short tasks beside long ones of their own job."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from local import api
from tests.e2e.conftest import Deployed

pytestmark = pytest.mark.stack

SMALL = {"count": 10}
ORDINARY_WINDOW = 2_000
"""Tasks of the large job that lie before the small one's where both are in one queue."""


@pytest.fixture(scope="module")
def other(deployed: Deployed) -> str:
    """Return a key of another tenant."""
    return api.mint_key(deployed.stack.api_url, "other", tenant="other")


@pytest.fixture
def large(deployed: Deployed) -> Iterator[list[str]]:
    """Jobs that are cancelled in the end, since they would take long."""
    jobs: list[str] = []
    yield jobs
    for job_id in jobs:
        deployed.call("POST", f"/api/v1/jobs/{job_id}/cancel")


def ordinary_slots(deployed: Deployed) -> int:
    """Return the slots of all workers but for those of express messages, one each."""
    count = len(deployed.running.workers)

    def workers() -> list[dict[str, int]] | None:
        found = deployed.call("GET", "/api/v1/workers")["workers"]
        return found if len(found) == count else None

    return sum(worker["slots"] - 1 for worker in deployed.until(workers))


def run_small(deployed: Deployed, key: str) -> str:
    """Run a ten-task job of the tenant with this key; return its state."""
    body = {"name": "small", "handler": "e2e.index", "tasks": SMALL}
    job_id = deployed.call("POST", "/api/v1/jobs", body, key=key)["job_id"]
    job = deployed.until(
        lambda: (
            job
            if (job := deployed.call("GET", f"/api/v1/jobs/{job_id}", key=key))["finished_at"]
            else None
        )
    )
    assert job["counts"]["succeeded"] == SMALL["count"]
    return str(job["state"])


def test_a_small_job_ends_while_long_tasks_of_another_tenant_hold_all_other_slots(
    deployed: Deployed, other: str, large: list[str]
) -> None:
    slots = ordinary_slots(deployed)
    job_id = deployed.submit("e2e.until_cancelled", {"count": 3 * slots}, tasks_per_message=2)
    large.append(job_id)
    large.append(deployed.submit("e2e.index", {"count": 3_000}))
    deployed.until(lambda: deployed.job(job_id)["counts"]["running"] == slots)
    assert run_small(deployed, other) == "SUCCEEDED"
    counts = deployed.job(job_id)["counts"]
    assert (counts["running"], counts["succeeded"]) == (slots, 0)


def test_a_small_job_does_not_wait_for_the_window_of_a_large_one(
    deployed: Deployed, other: str, large: list[str]
) -> None:
    """Each of its ten tasks would wait for the 2,000 before it."""
    job_id = deployed.submit("sleep", {"items": [{"seconds": 0.05}] * 6_000})
    large.append(job_id)
    before = deployed.until(lambda: deployed.job(job_id)["counts"]["succeeded"])
    assert run_small(deployed, other) == "SUCCEEDED"
    after = deployed.job(job_id)["counts"]
    assert after["succeeded"] - before < ORDINARY_WINDOW / 2
    assert after["pending"] > ORDINARY_WINDOW


def test_short_tasks_of_a_job_end_while_its_few_long_ones_run(
    deployed: Deployed, tmp_path: Path
) -> None:
    """One in a hundred is long, fewer than there are slots; five tasks travel in a message."""
    gate, slots = tmp_path / "gate", ordinary_slots(deployed)
    total = 100 * (slots - 1)
    job_id = deployed.submit("e2e.bimodal", {"count": total}, parameters=str(gate))
    deployed.until(lambda: deployed.job(job_id)["counts"]["succeeded"] == total - (slots - 1))
    counts = deployed.until(
        lambda: (
            counts if (counts := deployed.job(job_id)["counts"])["running"] == slots - 1 else None
        )
    )
    assert counts["pending"] == counts["retrying"] == 0
    gate.touch()
    job = deployed.finish(job_id)
    assert (job["state"], job["counts"]["succeeded"]) == ("SUCCEEDED", total)
