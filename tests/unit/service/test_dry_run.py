"""The dry run: what a submission would be, and nothing of it created."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from orchestrator.errors import Forbidden, InvalidField
from orchestrator.model.ids import MAX_TASKS
from orchestrator.model.items import Role
from orchestrator.service import preview
from orchestrator.service.access import Caller
from orchestrator.service.estimate import PlanOut, plan_submission
from orchestrator.service.ports import Limits
from orchestrator.service.prices import load_prices
from tests.fakes.cluster import ALICE, Cluster, submission
from tests.fakes.world import World

KEY = "uploads/acme/a.jsonl"
PRICES = Path(__file__).parents[3] / "layers" / "core" / "orchestrator" / "prices.json"


def plan(
    tasks: dict[str, Any],
    bodies: dict[str, bytes] | None = None,
    task_seconds: float | None = None,
    slots: int | None = None,
    limits: Limits | None = None,
    **fields: object,
) -> PlanOut:
    """Plan a submission; nothing may be written for it."""
    world = World()
    world.deps = replace(world.deps, limits=limits or Limits())
    world.data.bodies |= bodies or {}
    before = dict(world.data.bodies)
    answer = plan_submission(
        world.deps, ALICE, submission(tasks=tasks, **fields), task_seconds=task_seconds, slots=slots
    )
    assert world.data.bodies == before
    assert not world.store.tables.jobs
    assert not world.machine.executions
    return answer


def inputs(answer: PlanOut) -> list[tuple[int, Any]]:
    """Return the tasks that are shown."""
    return [(task.index, task.input) for task in answer.tasks]


def test_a_matrix_is_counted_exactly_and_shown_from_end_to_end() -> None:
    answer = plan({"matrix": {"a": "1..5", "b": [True, False]}, "include": [{"c": 1}]})
    assert (answer.accepted, answer.total, answer.total_is) == (True, 11, "exact")
    assert inputs(answer) == [
        (0, {"a": 1, "b": True}),
        (2, {"a": 2, "b": True}),
        (5, {"a": 3, "b": False}),
        (7, {"a": 4, "b": False}),
        (10, {"c": 1}),
    ]


def test_items_and_counts_are_shown_too() -> None:
    assert inputs(plan({"items": ["a", None]})) == [(0, "a"), (1, None)]
    assert inputs(plan({"count": 1})) == [(0, None)]
    assert [task.index for task in plan({"count": 1_000_000}).tasks][-1] == 999_999


def test_a_small_manifest_is_read_whole() -> None:
    answer = plan({"manifest": {"key": KEY}}, {KEY: b'{"n": 1}\n\n2\n'})
    assert (answer.total, answer.total_is, answer.accepted) == (2, "exact", True)
    assert inputs(answer) == [(0, {"n": 1}), (1, 2)]


def test_bad_lines_are_counted_and_listed_and_say_whether_the_job_would_be_rejected() -> None:
    body = {KEY: b"1\nbad\n" + b"3\n" * 50_000 + b"worse\n" * 150}
    rejected = plan({"manifest": {"key": KEY}}, body)
    assert (rejected.accepted, rejected.bad_line_count, rejected.bad_lines_all_read) == (
        False,
        151,
        True,
    )
    assert "line 2 is not JSON" in (rejected.problem or "")
    assert [line.line for line in rejected.bad_lines[:2]] == [2, 50_003]
    assert len(rejected.bad_lines) == 100
    skipped = plan({"manifest": {"key": KEY, "on_bad_line": "skip"}}, body)
    assert (skipped.accepted, skipped.total, skipped.bad_line_count) == (True, 50_001, 151)


@pytest.mark.parametrize("packed", [False, True])
def test_a_large_manifest_is_estimated_from_its_beginning(
    monkeypatch: pytest.MonkeyPatch, packed: bool
) -> None:
    monkeypatch.setattr(preview, "READ_MAX_BYTES", 500_000)
    text = b"".join(
        b'{"n": %06d, "s": "%s"}\n' % (n, bytes([65 + n % 26]) * 30) for n in range(50_000)
    )
    text = text.replace(b": 0", b": 1")
    answer = plan({"manifest": {"key": KEY}}, {KEY: gzip.compress(text) if packed else text})
    assert answer.total_is == "estimate"
    assert not answer.bad_lines_all_read
    assert 0.6 < answer.total / 50_000 < 1.4


def test_what_the_submit_refuses_the_dry_run_refuses_and_what_the_plan_would_reject_it_tells() -> (
    None
):
    with pytest.raises(InvalidField, match="must begin with"):
        plan({"manifest": {"key": "uploads/other/a.jsonl"}})
    rows = b"a\n" + b"1\n" * 50_000 + b'"open\n'
    answer = plan({"manifest": {"key": "shared/a.csv"}}, {"shared/a.csv": rows})
    assert (answer.accepted, answer.total) == (False, 50_000)
    assert "never closed" in (answer.problem or "")
    nothing = plan({"prefix": "shared/*.txt"}, {"shared/a.csv": b""})
    assert (nothing.accepted, nothing.total) == (False, 0)


def test_a_prefix_is_listed_up_to_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    bodies = {f"shared/{number:05d}.csv": b"1" for number in range(1_500)}
    answer = plan({"prefix": "shared/"}, bodies)
    assert (answer.total, answer.total_is) == (1_500, "exact")
    assert answer.tasks[0].input == {
        "key": "shared/00000.csv",
        "size_bytes": 1,
        "etag": "c4ca4238a0b923820dcc509a6f75849b",
    }
    monkeypatch.setattr(preview, "LISTED_MAX", 1_000)
    answer = plan({"prefix": "shared/"}, bodies)
    assert (answer.total, answer.total_is) == (1_000, "at_least")


def test_a_million_short_tasks_cost_below_a_dollar_by_the_figures_of_one_file() -> None:
    answer = plan({"count": MAX_TASKS})
    assert answer.requests["dynamodb_write_units"] == 1_060_000
    assert answer.requests["sqs_requests"] == 34_000
    assert answer.requests["transitions"] == 140
    assert answer.dollars.by_use["dynamodb_write_units"] == 0.6625
    assert 0.6 < answer.dollars.total < 1
    assert answer.dollars.total == pytest.approx(sum(answer.dollars.by_use.values()))


def test_messages_of_few_tasks_cost_more() -> None:
    assert plan({"count": 1_000}, tasks_per_message=1).requests["sqs_requests"] == 400
    assert plan({"count": 1_000}, tasks_per_message=25).requests["sqs_requests"] == 34


def test_every_figure_has_a_price_and_a_source() -> None:
    prices, found = load_prices(), json.loads(PRICES.read_text())
    used = [prices.per_task, prices.per_message, prices.per_job, prices.per_node]
    assert {name for group in used for name in group} <= prices.per_million.keys()
    assert found["as_of"]
    entries = [e for group in found.values() if isinstance(group, dict) for e in group.values()]
    assert all(entry["source"] for entry in entries if isinstance(entry, dict))


def test_minutes_are_the_longer_of_the_control_plane_s_and_the_tasks_own() -> None:
    alone = plan({"count": 494 * 60})
    assert (alone.minutes.control_plane, alone.minutes.tasks, alone.minutes.total) == (1, None, 1)
    timed = plan({"count": 600}, task_seconds=10, slots=100)
    assert (timed.minutes.tasks, timed.minutes.total) == (1, 1)
    assert plan({"count": 600}, task_seconds=10, slots=100, max_running=10).minutes.tasks == 10


def test_the_limits_on_the_way_are_named() -> None:
    assert plan({"count": 10}).limits == []
    answer = plan(
        {"items": ["x" * 10_000] * 3_000},
        task_seconds=100,
        slots=10,
        timeout_seconds=60,
        deadline_seconds=600,
    )
    hits = {hit.limit: (hit.value, hit.would_be) for hit in answer.limits}
    assert hits == {
        "tasks in the queue at first": (2_000, 3_000),
        "bytes of inputs in a message": (48 * 1024, 250_050),
        "timeout_seconds": (60, 100),
        "deadline_seconds": (600, 30_000),
    }
    assert all(hit.then for hit in answer.limits)


def test_an_estimate_above_a_limit_of_the_tenant_is_not_accepted() -> None:
    limits = Limits(tasks_per_job=3)
    answer = plan({"manifest": {"key": KEY}}, {KEY: b"1\n" * 4}, limits=limits)
    assert (answer.accepted, answer.total) == (False, 4)
    assert answer.limits[0].limit == "tasks of a job"


def test_a_viewer_plans_nothing() -> None:
    viewer = Caller("acme", Role.VIEWER, "v")
    with pytest.raises(Forbidden):
        plan_submission(Cluster().world.deps, viewer, submission(), task_seconds=None, slots=None)
