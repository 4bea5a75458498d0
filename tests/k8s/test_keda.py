"""KEDA: from no pod to several and back to none, as a pool and as Jobs that end."""

from __future__ import annotations

from pathlib import Path

import pytest

from local.paths import ROOT
from local.stack import Running
from tests.k8s.cluster import POOL, Cluster
from tests.k8s.work import Jobs

RUN = "app.kubernetes.io/component=run"
TASKS = 60


def _drive(cluster: Cluster, jobs: Jobs, selector: str, kind: str) -> None:
    """Fill the queue while no pod runs; follow pods and work until there is neither."""
    cluster.wait("no pod at first", lambda: not cluster.live(selector), 120)
    job_id = jobs.submit(f"keda-{kind}", [{"seconds": 1}] * TASKS)
    first = cluster.wait("a pod", lambda: bool(cluster.live(selector)), 120)
    several = cluster.wait("several pods", lambda: len(cluster.live(selector)) > 1, 120)
    tasks = jobs.succeeded(job_id, 240)
    assert {task["attempt"] for task in tasks} == {1}
    assert len({task["result"]["pod"] for task in tasks}) > 1
    none = cluster.wait("no pod in the end", lambda: not cluster.live(selector), 240)
    assert jobs.queued() == 0
    print(
        f"\n{kind}: first pod after {first:.1f} s, several {several:.1f} s later, "
        f"{TASKS} tasks of a second, none {none:.1f} s after the end"
    )


def test_the_pool_goes_from_none_to_several_and_back(
    cluster: Cluster, running: Running, jobs: Jobs, overlays: Path
) -> None:
    cluster.apply(overlays / "local-keda")
    try:
        _drive(cluster, jobs, POOL, "ScaledObject")
    finally:
        cluster.delete(overlays / "local-keda")


def test_jobs_that_end_when_the_queue_is_empty_come_and_go(
    cluster: Cluster, running: Running, jobs: Jobs, overlays: Path
) -> None:
    cluster.apply(overlays / "local-jobs")
    try:
        _drive(cluster, jobs, RUN, "ScaledJob")
        listed = cluster.get("jobs.batch")["items"]
        assert listed
        assert [job["status"].get("failed", 0) for job in listed] == [0] * len(listed)
    finally:
        cluster.delete(overlays / "local-jobs")


@pytest.mark.parametrize("overlay", ["local", "local-keda", "local-jobs"])
def test_the_api_server_takes_each_overlay(
    cluster: Cluster, running: Running, overlays: Path, overlay: str
) -> None:
    # A dry run makes no namespace for what is in it.
    cluster.kubectl("apply", "--filename", str(ROOT / "k8s" / "base" / "namespace.yaml"))
    said = cluster.kubectl("apply", "--kustomize", str(overlays / overlay), "--dry-run=server")
    assert "worker" in said
