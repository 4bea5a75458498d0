"""Jobs whose tasks are a matrix, or the objects below a prefix; and uploads."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from orchestrator.errors import Forbidden, InvalidField
from orchestrator.model.ids import MAX_TASKS
from orchestrator.model.items import Role
from orchestrator.model.sources import UploadIn
from orchestrator.model.states import JobState, Outcome
from orchestrator.model.wire import INLINE_INPUTS_MAX_BYTES, TaskMessage
from orchestrator.service.access import Caller
from orchestrator.service.plan import plan_tasks
from orchestrator.service.ports import Limits
from orchestrator.service.read import read_task
from orchestrator.service.task_list import list_tasks
from orchestrator.service.uploads import begin_upload
from orchestrator.spec import encode_json
from tests.fakes.cluster import ALICE, Cluster

MATRIX: dict[str, Any] = {
    "matrix": {"lr": [0.1, 0.01], "seed": "1..1000"},
    "exclude": [{"lr": 0.1, "seed": 7}],
    "include": [{"lr": 0.5, "seed": 1}, {"warm": True}],
}


def shown(cluster: Cluster, limit: int = 100) -> list[Any]:
    """Return the first tasks' inputs as the API shows them."""
    deps = cluster.world.deps
    page = list_tasks(deps, ALICE, cluster.job_id, state=None, limit=limit, cursor=None)
    return [task["input"] for task in json.loads(page)["tasks"]]


def carried(messages: list[TaskMessage]) -> dict[int, Any]:
    """Return the inputs that messages carry, by task."""
    return {
        index: value
        for message in messages
        for index, value in zip(message.tasks(), message.inputs or [], strict=True)
    }


# ---- a matrix


def test_a_matrix_is_rendered_into_messages_and_answers_and_never_stored_as_a_list() -> None:
    cluster = Cluster()
    assert cluster.submit(tasks=MATRIX).total == 2_001
    cluster.begin()
    assert shown(cluster)[:2] == [{"lr": 0.1, "seed": 1}, {"lr": 0.1, "seed": 2}]
    assert shown(cluster)[6] == {"lr": 0.1, "seed": 8}
    for index, value in ((999, {"lr": 0.01, "seed": 1}), (2_000, {"warm": True})):
        task = read_task(cluster.world.deps, ALICE, f"{cluster.job_id}-{index}")
        assert (task.input, task.state) == (value, "PENDING")
    inputs = carried(cluster.messages())
    assert len(inputs) == 2_000
    assert inputs[1_999] == {"lr": 0.5, "seed": 1}
    assert inputs[1_998] == {"lr": 0.01, "seed": 1_000}
    stored = [k for k in cluster.world.data.bodies if "/inputs/" in k and k.endswith(".jsonl")]
    assert [cluster.world.data.bodies[key].count(b"\n") for key in stored] == [2]


def test_a_matrix_s_tasks_that_are_sent_again_carry_their_inputs_too() -> None:
    cluster = Cluster()
    cluster.submit(tasks=MATRIX, tasks_per_message=1)
    cluster.begin()
    first, *_ = cluster.messages()
    cluster.report(first, lambda index, attempt: Outcome.FAILED)
    (again,) = cluster.messages()
    assert (again.attempt, again.inputs, again.inputs_ref) == (2, [{"lr": 0.1, "seed": 1}], None)


def test_a_whole_matrix_runs_to_its_end_and_a_retry_takes_the_same_inputs() -> None:
    cluster = Cluster()
    cluster.submit(tasks={"matrix": {"a": "1..3", "b": [True, False]}}, retry={"max_attempts": 1})
    cluster.begin()
    cluster.work(lambda index, attempt: Outcome.FAILED if index == 3 else Outcome.SUCCEEDED)
    assert cluster.end() == "FAILED"
    again = cluster.retry(tasks="failed")
    again.begin()
    assert carried(again.messages()) == {3: {"a": 2, "b": False}}


def test_25_of_the_largest_combinations_fit_a_message() -> None:
    value = "é" * 900
    cluster = Cluster()
    cluster.submit(
        tasks={"matrix": {"text": [value, "short"], "n": "1..100"}}, tasks_per_message=25
    )
    cluster.begin()
    messages = cluster.messages()
    assert max(len(encode_json(message.inputs or [])) for message in messages) > 40_000
    assert all(
        len(encode_json(message.inputs or [])) <= INLINE_INPUTS_MAX_BYTES for message in messages
    )


def test_a_matrix_of_a_million_is_planned_by_a_few_small_objects() -> None:
    cluster = Cluster()
    cluster.submit(tasks={"matrix": {"a": "1..1000", "b": "1..1000"}})
    assert len(plan_tasks(cluster.world.deps, cluster.job_id, 1, 1)["nodes"]) == 63
    assert sum(map(len, cluster.world.data.bodies.values())) < 2_000
    task = read_task(cluster.world.deps, ALICE, f"{cluster.job_id}-{MAX_TASKS - 1}")
    assert task.input == {"a": 1_000, "b": 1_000}


# ---- a prefix

KEYS = ["a.csv", "b/c.csv", "b/d.txt", "folder/", "z.CSV", "é.csv", "\U0001f600.csv", "＿.csv"]


def listed(pattern: str) -> Cluster:
    """Return a cluster with a job of the objects that `pattern` names, planned."""
    cluster = Cluster()
    for key in KEYS:
        cluster.world.data.bodies[f"uploads/acme/set/{key}"] = b"12345"
    cluster.world.data.bodies["uploads/acme2/set/a.csv"] = b""
    cluster.submit(tasks={"prefix": pattern})
    cluster.begin()
    return cluster


def keys(cluster: Cluster) -> list[str]:
    """Return the keys of the job's tasks."""
    return [value["key"].removeprefix("uploads/acme/set/") for value in shown(cluster)]


def test_each_object_is_a_task_with_its_key_size_and_etag_sorted_by_key() -> None:
    cluster = listed("uploads/acme/set/")
    assert keys(cluster) == [
        "a.csv",
        "b/c.csv",
        "b/d.txt",
        "z.CSV",
        "é.csv",
        "＿.csv",
        "\U0001f600.csv",
    ]
    assert shown(cluster)[0] == {
        "key": "uploads/acme/set/a.csv",
        "size_bytes": 5,
        "etag": "827ccb0eea8a706c4c34a16891f84e7b",
    }


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("uploads/acme/set/b", ["b/c.csv", "b/d.txt"]),
        ("uploads/acme/set/*.csv", ["a.csv", "b/c.csv", "é.csv", "＿.csv", "\U0001f600.csv"]),
        ("uploads/acme/set/?.csv", ["a.csv", "é.csv", "＿.csv", "\U0001f600.csv"]),
        ("uploads/acme/set/[a-b]*[v]", ["a.csv", "b/c.csv"]),
        ("uploads/acme/*/b/*", ["b/c.csv", "b/d.txt"]),
    ],
)
def test_a_pattern_is_a_shell_s_for_the_whole_key(pattern: str, expected: list[str]) -> None:
    assert keys(listed(pattern)) == expected


def test_a_pattern_that_fits_nothing_ends_the_job_before_it_has_a_task() -> None:
    cluster = Cluster()
    cluster.world.data.bodies["shared/a.csv"] = b""
    cluster.submit(tasks={"prefix": "shared/*.parquet"})
    assert plan_tasks(cluster.world.deps, cluster.job_id, 1, 1)["bad_input"]
    assert (cluster.job.state, cluster.job.total) == (JobState.FAILED, 0)


def test_a_listing_of_thousands_is_read_by_the_page_and_bounded() -> None:
    cluster = Cluster()
    for number in range(2_500):
        cluster.world.data.bodies[f"shared/many/{number:05d}"] = b""
    cluster.submit(tasks={"prefix": "shared/many/"})
    plan_tasks(cluster.world.deps, cluster.job_id, 1, 1)
    assert cluster.job.total == 2_500
    cluster.world.deps = replace(cluster.world.deps, limits=Limits(tasks_per_job=2_499))
    cluster.submit(tasks={"prefix": "shared/many/"})
    assert plan_tasks(cluster.world.deps, cluster.job_id, 1, 1)["bad_input"]
    assert "more than 2,499 tasks" in (cluster.job.state_reason or "")


def test_what_may_not_be_listed_is_refused_at_submit_and_by_the_plan() -> None:
    cluster = Cluster()
    cluster.world.data.bodies["shared/x/a"] = b""
    cluster.world.sources.forbidden.add("shared/x/")
    with pytest.raises(InvalidField, match="may not be listed by this stack"):
        cluster.submit(tasks={"prefix": "shared/x/"})
    cluster.world.sources.forbidden.clear()
    cluster.submit(tasks={"prefix": "shared/x/"})
    cluster.world.sources.forbidden.add("shared/x/")
    assert plan_tasks(cluster.world.deps, cluster.job_id, 1, 1)["bad_input"]


# ---- uploads


def test_an_upload_goes_to_a_new_key_of_the_tenant_and_takes_one_size_and_content() -> None:
    cluster = Cluster()
    wanted = UploadIn(filename="tasks.csv.gz", size_bytes=7, sha256="ab" * 32)
    first, second = (begin_upload(cluster.world.deps, ALICE, wanted) for _ in range(2))
    assert first.key != second.key
    assert first.key.startswith("uploads/acme/")
    assert first.key.endswith("/tasks.csv.gz")
    assert first.headers["Content-Length"] == "7"
    assert first.headers["x-amz-checksum-sha256"].startswith("q6urq6ur")
    assert not cluster.world.data.bodies


def test_a_viewer_uploads_nothing() -> None:
    viewer = Caller("acme", Role.VIEWER, "v")
    with pytest.raises(Forbidden):
        begin_upload(Cluster().world.deps, viewer, UploadIn(filename="a", size_bytes=1))
