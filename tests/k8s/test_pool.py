"""The pool on real pods: work, upgrades, deletions, drains, kills, memory, an API that is away."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from local.stack import Running
from tests.k8s.cluster import POOL, Cluster, Pod
from tests.k8s.work import Jobs


@pytest.fixture(scope="module", autouse=True)
def pool(cluster: Cluster, running: Running, overlays: Path) -> Iterator[None]:
    """Apply overlay `local`; at the end delete it."""
    cluster.apply(overlays / "local")
    cluster.rolled_out()
    yield
    cluster.delete(overlays / "local")


@pytest.fixture(autouse=True)
def _whole(cluster: Cluster) -> None:
    """Begin each test with a pool that is whole."""
    cluster.rolled_out()


def _restarts(cluster: Cluster) -> int:
    return sum(pod.restarts for pod in cluster.pods(POOL))


def test_five_hundred_tasks_on_pods_succeed(cluster: Cluster, jobs: Jobs) -> None:
    began = time.monotonic()
    job_id = jobs.submit("many", [{"seconds": 0.02}] * 500, tasks_per_message=5)
    tasks = jobs.succeeded(job_id, 180)
    print(f"\n500 tasks: {time.monotonic() - began:.1f} s")
    names = {pod.name for pod in cluster.live()}
    assert {task["result"]["pod"] for task in tasks} == names
    assert len(names) == 2
    assert {task["attempt"] for task in tasks} == {1}


def test_a_pod_tells_its_state_and_its_numbers(cluster: Cluster, jobs: Jobs) -> None:
    pod = cluster.live()[0].name
    path = f"/api/v1/namespaces/job-orchestrator/pods/{pod}:8080/proxy"
    for probe in ("livez", "readyz"):
        cluster.kubectl("get", "--raw", f"{path}/{probe}")
    assert "_tasks_total" in cluster.kubectl("get", "--raw", f"{path}/metrics")


def test_an_upgrade_in_the_middle_of_a_job_costs_no_attempt(cluster: Cluster, jobs: Jobs) -> None:
    before = {pod.uid for pod in cluster.live()}
    job_id = jobs.submit("upgrade", [{"seconds": 0.5}] * 120)
    jobs.running(job_id, 2)
    cluster.kubectl("rollout", "restart", "deployment/worker")
    cluster.rolled_out()
    tasks = jobs.succeeded(job_id, 180)
    assert {task["attempt"] for task in tasks} == {1}
    assert before.isdisjoint(pod.uid for pod in cluster.live())


def test_a_long_task_of_a_deleted_pod_goes_on_elsewhere_with_the_same_attempt(
    cluster: Cluster, jobs: Jobs
) -> None:
    """Longer than the drain: it is handed back at the grace's end."""
    job_id = jobs.submit("long", [{"seconds": 35}] * 2)
    jobs.running(job_id, 2)
    for pod in cluster.live():
        cluster.kubectl("delete", "pod", pod.name, "--wait=false")
    tasks = jobs.succeeded(job_id, 240)
    assert [(task["attempt"], task["state"]) for task in tasks] == [(1, "SUCCEEDED")] * 2


def test_a_node_that_is_drained_loses_nothing(cluster: Cluster, jobs: Jobs) -> None:
    (node,) = {
        item["spec"]["nodeName"] for item in cluster.get("pods", f"--selector={POOL}")["items"]
    }
    job_id = jobs.submit("drain", [{"seconds": 1}] * 40)
    jobs.running(job_id, 2)
    # The disruption budget lets one go at a time, and none takes its place while the node is closed.
    cluster.drain(node, 20)
    tasks = jobs.succeeded(job_id, 240)
    assert {task["attempt"] for task in tasks} == {1}


def _processes(pod: Pod) -> list[int]:
    """Return the workers of a pod on this machine, by the name of their cgroup."""
    uid = pod.uid.replace("-", "_")
    found = []
    for folder in Path("/proc").iterdir():
        try:
            cgroups, command = (folder / "cgroup").read_text(), (folder / "cmdline").read_bytes()
        except OSError:
            continue
        ours = pod.uid in cgroups or uid in cgroups
        if ours and command.split(b"\0")[1:3] == [b"-m", b"worker"]:
            found.append(int(folder.name))
    return found


def test_a_pod_that_is_killed_costs_its_tasks_no_attempt(cluster: Cluster, jobs: Jobs) -> None:
    job_id = jobs.submit("kill", [{"seconds": 1}] * 20)
    jobs.running(job_id, 2)
    before = _restarts(cluster)
    processes = [process for pod in cluster.live()[:1] for process in _processes(pod)]
    if not processes:
        pytest.skip("the pods run on another machine")
    for process in processes:
        os.kill(process, signal.SIGKILL)
    tasks = jobs.succeeded(job_id, 240)
    assert {task["attempt"] for task in tasks} == {1}
    assert _restarts(cluster) > before


@pytest.mark.parametrize("grows", [False, True], ids=["at once", "bit by bit"])
def test_a_task_without_memory_ends_alone(cluster: Cluster, jobs: Jobs, *, grows: bool) -> None:
    before = _restarts(cluster)
    tasks = [{"seconds": 0.2}] * 10 + [{"memory_bytes": 4 << 30, "grows": grows}]
    job_id = jobs.submit("memory", tasks, retry={"max_attempts": 1})
    assert jobs.wait(job_id, 180)["counts"]["failed"] == 1
    jobs.audited(job_id)
    (failed,) = jobs.get(f"jobs/{job_id}/tasks?state=FAILED")["tasks"]
    assert failed["index"] == 10
    assert failed["attempts"][-1]["outcome"] == "out_of_memory"
    assert _restarts(cluster) == before


def test_an_api_that_is_away_for_a_minute_costs_nothing(
    cluster: Cluster, jobs: Jobs, running: Running
) -> None:
    """Queue, API and tables do not answer; the pods stay, and what ran is reported afterwards."""
    before = _restarts(cluster)
    job_id = jobs.submit("away", [{"seconds": 2}] * 20, timeout_seconds=60)
    jobs.running(job_id, 2)
    assert running.emulator is not None
    os.kill(running.emulator.pid, signal.SIGSTOP)
    try:
        time.sleep(60)
    finally:
        os.kill(running.emulator.pid, signal.SIGCONT)
    tasks = jobs.succeeded(job_id, 240)
    assert {task["state"] for task in tasks} == {"SUCCEEDED"}
    assert _restarts(cluster) == before
