"""Container tasks on a real cluster: how each of them ends, and that none is started twice."""

from __future__ import annotations

import re
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from local import api
from local.stack import Running
from tests.k8s import overlay
from tests.k8s.cluster import Cluster
from tests.k8s.work import Jobs
from worker.containers.rbac import OWNER_RULES, RULES

_WORDS = """
    import json, os, urllib.request
    text = json.loads(os.environ["TASK_INPUT"])["text"]
    body = json.dumps({"words": len(text.split())}).encode()
    urllib.request.urlopen(urllib.request.Request(os.environ["TASK_RESULT_URL"], data=body, method="PUT"))
    print("counted", text)
"""
_ALL_MEMORY = "taken = [bytearray(b'x') * (8 << 20) for _ in range(100)]"
_ONCE = {"max_attempts": 1, "max_timeouts": 1}


@pytest.fixture(scope="module")
def settings(image: str) -> dict[str, str]:
    """Return small containers of the image that is there, many at once.

    The lease is longer than elsewhere: two hundred starting pods leave workers on the same machine little time.
    """
    return {
        "LEASE_SECONDS": "40",
        "CONTAINERS_IMAGES": image.rpartition(":")[0],
        "CONTAINERS_CPU": "10m",
        "CONTAINERS_MEMORY": "64Mi",
        "CONTAINERS_EPHEMERAL_STORAGE": "16Mi",
        "CONTAINERS_MAX": "20",
        "CONTAINERS_PULL_SECONDS": "5",
        "CONTAINERS_GRACE_SECONDS": "2",
    }


@pytest.fixture(scope="module", autouse=True)
def pool(
    cluster: Cluster, running: Running, overlays: Path, image: str, settings: dict[str, str]
) -> Iterator[None]:
    """Apply overlay `local` with the component for containers."""
    made = overlay.write(overlays / "containers", "local", image, settings, ["containers"])
    cluster.apply(made)
    cluster.rolled_out()
    yield
    cluster.delete(made)


def container(image: str, script: str, **fields: Any) -> dict[str, Any]:
    """Return a container that runs some Python."""
    return {"image": image, "command": ["python", "-c", textwrap.dedent(script)], **fields}


def run_one(jobs: Jobs, task: dict[str, Any], retry: dict[str, Any], seconds: float = 120) -> Any:
    """Run a job of one container; return the task."""
    job_id = jobs.submit("container", [task], handler="container", retry=retry)
    jobs.wait(job_id, seconds)
    jobs.audited(job_id)
    return next(jobs.tasks(job_id))


def made_for(cluster: Cluster, job_id: str) -> list[Any]:
    """Return the Jobs that were made for a job."""
    listed: list[Any] = cluster.get("jobs.batch")["items"]
    return [each for each in listed if job_id.lower() in str(each["metadata"]).lower()]


def test_a_container_gets_its_input_and_gives_its_result_and_its_log(
    jobs: Jobs, image: str
) -> None:
    task = run_one(jobs, container(image, _WORDS, input={"text": "to be or not"}), _ONCE)
    assert (task["state"], task["result"]) == ("SUCCEEDED", {"words": 4})
    log = api.send("GET", task["attempts"][-1]["log_url"])
    assert log.body.decode().strip() == "counted to be or not"


def test_an_exit_code_that_a_rule_names_is_not_tried_again(jobs: Jobs, image: str) -> None:
    retry = {"max_attempts": 3, "rules": [{"exit_code": 3, "action": "fail"}]}
    task = run_one(jobs, container(image, "raise SystemExit(3)"), retry)
    assert (task["state"], len(task["attempts"])) == ("FAILED", 1)
    assert (task["error"]["type"], task["error"]["exit_code"]) == ("ContainerExited", 3)


def test_another_exit_code_is_tried_again(jobs: Jobs, image: str) -> None:
    script = "import os; raise SystemExit(0 if os.environ['TASK_ATTEMPT'] == '2' else 4)"
    task = run_one(jobs, container(image, script), {"max_attempts": 3, "initial_seconds": 0.5})
    assert (task["state"], task["attempt"]) == ("SUCCEEDED", 2)


def test_a_container_without_memory_ends_out_of_memory(jobs: Jobs, image: str) -> None:
    task = run_one(jobs, container(image, _ALL_MEMORY), _ONCE)
    assert task["attempts"][-1]["outcome"] == "out_of_memory"


def test_an_image_that_is_not_there_is_named_soon(jobs: Jobs, image: str) -> None:
    missing = f"{image.rpartition(':')[0]}:nobody-made-it"
    task = run_one(jobs, container(missing, "pass"), _ONCE)
    assert task["error"]["type"] == "ImagePull"
    assert missing in task["error"]["message"]


def test_an_image_that_is_not_allowed_is_refused(jobs: Jobs) -> None:
    task = run_one(jobs, container("elsewhere/image:1", "pass"), {"max_attempts": 3})
    assert (task["error"]["type"], len(task["attempts"])) == ("NotAllowed", 1)


def test_a_container_that_takes_too_long_is_ended(jobs: Jobs, image: str) -> None:
    slow = container(image, "import time; time.sleep(300)", timeout_seconds=5)
    assert run_one(jobs, slow, _ONCE)["attempts"][-1]["outcome"] == "timed_out"


def test_a_cancelled_job_s_containers_are_deleted(cluster: Cluster, jobs: Jobs, image: str) -> None:
    slow = container(image, "import time; time.sleep(300)")
    job_id = jobs.submit("cancelled", [slow] * 2, handler="container")
    jobs.running(job_id, 2)
    assert len(made_for(cluster, job_id)) == 2
    url = f"{jobs.stack.api_url}/api/v1/jobs/{job_id}/cancel"
    api.call("POST", url, jobs.stack.api_key)
    assert jobs.wait(job_id, 90)["state"] == "CANCELLED"
    jobs.audited(job_id)
    cluster.wait("no Job of it", lambda: made_for(cluster, job_id) == [], 60)


def test_a_worker_that_is_replaced_leaves_the_container_to_the_next(
    cluster: Cluster, jobs: Jobs, image: str
) -> None:
    job_id = jobs.submit(
        "adopted", [container(image, "import time; time.sleep(25)")], handler="container"
    )
    jobs.running(job_id, 1)
    (before,) = made_for(cluster, job_id)
    cluster.kubectl("rollout", "restart", "deployment/worker")
    cluster.rolled_out()
    (task,) = jobs.succeeded(job_id, 120)
    assert task["attempt"] == 1
    (after,) = made_for(cluster, job_id)
    assert after["metadata"]["uid"] == before["metadata"]["uid"]


def test_two_hundred_containers_at_once_run_under_the_cap(
    cluster: Cluster, jobs: Jobs, image: str
) -> None:
    tasks = [container(image, "print('here')")] * 200
    began = time.monotonic()
    job_id = jobs.submit("many", tasks, handler="container")
    most = 0
    while jobs.get(f"jobs/{job_id}")["state"] not in ("SUCCEEDED", "FAILED"):
        # A Job is counted as active some time longer than its pod.
        most = max(most, len(cluster.live("batch.kubernetes.io/job-name")))
        assert time.monotonic() - began < 500, cluster.story()
        time.sleep(1)
    assert len(jobs.succeeded(job_id, 10)) == 200
    print(f"\n200 containers: {time.monotonic() - began:.0f} s, {most} at once at most")
    assert 0 < most <= 2 * 20


def test_the_worker_may_do_what_it_needs_and_nothing_else(cluster: Cluster) -> None:
    everyone = granted(cluster, "default")
    mine = {
        rule: own
        for rule, verbs in granted(cluster, "worker").items()
        if (own := verbs - everyone.get(rule, frozenset()))
    }
    assert mine == RULES | OWNER_RULES


def granted(cluster: Cluster, account: str) -> dict[tuple[str, str], frozenset[str]]:
    """Return the verbs that a service account has, by API group and resource, as the API server lists them."""
    who = f"--as=system:serviceaccount:job-orchestrator:{account}"
    said = cluster.kubectl("auth", "can-i", "--list", who, "--no-headers")
    found: dict[tuple[str, str], frozenset[str]] = {}
    for resource, verbs in re.findall(r"^(\S+) +\[.*?\] +\[.*?\] +\[(.*?)\]$", said, re.MULTILINE):
        name, _, group = resource.partition(".")
        found[group, name] = found.get((group, name), frozenset()) | set(verbs.split())
    return found
