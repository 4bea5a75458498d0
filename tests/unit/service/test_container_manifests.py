"""Containers that a manifest lists: checked at submit as far as it is looked at, all of them by the plan."""

from __future__ import annotations

import json
from typing import Any

import pytest

from orchestrator.errors import InvalidField
from orchestrator.service.bad_lines import read_bad_lines
from orchestrator.service.estimate import plan_submission
from orchestrator.service.plan import plan_tasks
from tests.fakes.cluster import ALICE, Cluster, submission

KEY = "uploads/acme/containers.jsonl"
GOOD = [{"image": "registry.example/team/app:1", "args": ["x" * 100]}] * 1_000
"""More than a submit looks at."""


def lines(*items: Any) -> bytes:
    return b"".join(json.dumps(item).encode() + b"\n" for item in items)


def with_manifest(body: bytes, key: str = KEY, **fields: Any) -> tuple[Cluster, dict[str, Any]]:
    """Return a cluster whose data bucket holds a manifest, and a submission of it."""
    cluster = Cluster()
    cluster.world.data.bodies[key] = body
    manifest = {"key": key, **fields}
    return cluster, {"handler": "container", "tasks": {"manifest": manifest}}


def rejected(cluster: Cluster, body: dict[str, Any], **more: Any) -> str:
    """Submit and plan; return why the job has ended before it had a task."""
    cluster.submit(**body, **more)
    assert plan_tasks(cluster.world.deps, cluster.job_id, 1, 1)["bad_input"]
    assert (cluster.job.state, cluster.job.total) == ("FAILED", 0)
    assert not cluster.world.queue.sent
    assert not cluster.world.store.tables.leaves
    return cluster.job.state_reason or ""


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        ({"image": "Upper/x"}, "image: 'Upper/x' is no image reference"),
        ({"command": ["x"]}, "image: Field required"),
        ({"image": "app", "privileged": True}, "privileged: Extra inputs"),
        ({"image": "app", "service_account": "A B"}, "no name of a service account"),
        ({"image": "app", "args": ["x" * 65_537]}, "65536 bytes: use `input`"),
        (7, "must be an object with the fields of a container"),
    ],
)
def test_a_line_that_could_never_run_fails_the_job_before_it_has_a_task(
    bad: Any, words: str
) -> None:
    cluster, body = with_manifest(lines(*GOOD, bad, {"image": "app"}))
    reason = rejected(cluster, body)
    assert reason.startswith(f"bad_input: 1 bad line in {KEY}; line 1001 is no container: ")
    assert words in reason
    told = read_bad_lines(cluster.world.deps, ALICE, cluster.job_id)
    assert [(line.line, words in line.rule) for line in told.lines] == [(1001, True)]


def test_a_bad_line_among_the_first_is_refused_at_submit() -> None:
    cluster, body = with_manifest(lines({"image": "app"}, {"image": "Upper"}))
    with pytest.raises(InvalidField, match="line 2 is no container: image"):
        cluster.submit(**body)


def test_the_dry_run_tells_of_bad_lines() -> None:
    cluster, body = with_manifest(lines(*GOOD, {"gpu": 99}))
    out = plan_submission(
        cluster.world.deps, ALICE, submission(**body), task_seconds=None, slots=None
    )
    assert "line 1001 is no container" in out.model_dump_json()


def test_lines_that_are_no_containers_are_left_out_where_that_was_asked_for() -> None:
    cluster, body = with_manifest(
        lines({"image": "app"}, {"image": "Upper"}, {"image": "app:2"}), on_bad_line="skip"
    )
    cluster.submit(**body)
    cluster.begin()
    assert cluster.job.total == 2
    inputs = [message.inputs for message in cluster.messages()]
    assert inputs == [[{"image": "app"}], [{"image": "app:2"}]]


def test_a_line_needs_only_what_the_parameters_do_not_say() -> None:
    cluster, body = with_manifest(lines({"args": ["1"]}, None, {"gpu": 1}))
    cluster.submit(**body, parameters={"image": "app"})
    cluster.begin()
    assert cluster.job.total == 3


def test_columns_of_a_csv_are_texts_and_so_are_checked() -> None:
    good, body = with_manifest(b"image,service_account\napp,runner\n", "uploads/acme/c.csv")
    good.submit(**body)
    good.begin()
    assert good.job.total == 1
    bad, body = with_manifest(b"image,gpu\napp,1\n", "uploads/acme/c.csv")
    with pytest.raises(InvalidField, match="line 2 is no container: gpu"):
        bad.submit(**body)


def test_lines_of_another_handler_are_its_own_business() -> None:
    cluster, body = with_manifest(lines({"image": "Upper"}))
    cluster.submit(**{**body, "handler": "echo"})
    cluster.begin()
    assert cluster.job.total == 1
