"""The verdict of a chaos run says no to every kind of damage: else its yes would mean nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from orchestrator.model.items import TaskRow
from orchestrator.model.progress import Leaf
from orchestrator.model.states import Outcome, TaskState
from orchestrator.model.wire import CompleteIn, Report, TaskError, TaskMessage
from orchestrator.service.report import complete
from tests.chaos import report as reports
from tests.chaos.plan import BLOCK, ending_of, kind_of, result_of
from tests.chaos.run import RATES, job_body
from tests.chaos.run import Outcome as Run
from tests.chaos.verdict import Verdict, judge_lines, judge_tables
from tests.fakes.cluster import Cluster

SEED = 5
Line = dict[str, Any]


def report_of(message: TaskMessage, index: int) -> Report:
    """Return what a worker reports of a task that does what the plan says."""
    ending, kind = ending_of(SEED, index), kind_of(SEED, index)
    succeeds = ending.succeeds and message.attempt >= ending.attempt
    outcome = Outcome.SUCCEEDED if succeeds else Outcome(_FAILURES.get(kind, ending.outcome))
    result = result_of(SEED, index, message.attempt) if succeeds else None
    run_id = f"run-{index:07d}-{message.attempt}"
    large = kind == "large"
    return Report.model_validate(
        {
            "job": message.job,
            "gen": message.gen,
            "index": index,
            "attempt": message.attempt,
            "run_id": run_id,
            "outcome": outcome,
            "result": None if large else result,
            "result_ref": f"tasks/{message.job}/1/{index}/{run_id}.json" if large else None,
            "error": None if succeeds else _error(kind),
        }
    )


_FAILURES = {
    "flaky": "failed",
    "flaky_twice": "failed",
    "crashes_once": "crashed",
    "bursts_once": "out_of_memory",
}


def _error(kind: str) -> TaskError:
    return TaskError(type=kind, message="as planned", retryable=kind != "refuses")


def finished() -> tuple[Cluster, list[Line]]:
    """Run a job of one block to its end; return it with its result lines."""
    cluster = Cluster()
    body = job_body(SEED, BLOCK)
    cluster.submit(**body)
    cluster.begin()
    while messages := cluster.messages():
        for message in messages:
            cluster.world.wait(5)
            every = [report_of(message, index) for index in message.tasks()]
            for each in every:
                if each.result_ref is not None:
                    text = json.dumps(result_of(SEED, each.index, each.attempt))
                    cluster.world.results.put(each.result_ref, text.encode(), "application/json")
            complete(cluster.world.deps, CompleteIn(worker_id="w", reports=every))
    assert cluster.end() == "SUCCEEDED"
    part = cluster.world.results.bodies[f"results/{cluster.job_id}/1/part-00000.jsonl"]
    return cluster, [json.loads(line) for line in part.splitlines()]


def judged(cluster: Cluster, lines: list[Line]) -> Verdict:
    """Judge a finished job of one block."""
    verdict = judge_tables(cluster.world.store, cluster.job_id, SEED, BLOCK)
    judge_lines(verdict, lines)
    return verdict


def test_a_job_that_went_as_planned_is_right() -> None:
    verdict = judged(*finished())
    assert verdict.problems == []
    assert len(verdict.results) == BLOCK


def index_of(kind: str) -> int:
    """Return a task of a kind."""
    return next(index for index in range(BLOCK) if kind_of(SEED, index) == kind)


def change_row(cluster: Cluster, index: int, change: Callable[[TaskRow], TaskRow | None]) -> None:
    """Put another row, or none, in a row's place."""
    rows = cluster.world.store.tables.tasks
    changed = change(rows.pop((cluster.job_id, index)))
    if changed is not None:
        rows[cluster.job_id, index] = changed


def change_leaf(cluster: Cluster, change: Callable[[Leaf], Leaf]) -> None:
    """Put another leaf in the first one's place."""
    leaves = cluster.world.store.tables.leaves
    leaves[cluster.job_id, 0] = change(leaves[cluster.job_id, 0])


def another_run(row: TaskRow) -> TaskRow:
    assert row.result_ref is not None
    return replace(row, result_ref=row.result_ref.replace("run-", "other-"))


def repeated(row: TaskRow) -> TaskRow:
    assert row.last is not None
    return replace(row, history=(*row.history, row.last))


def lost(row: TaskRow) -> TaskRow:
    assert row.last is not None
    return replace(row, last=replace(row.last, outcome=Outcome.WORKER_LOST))


DAMAGES: dict[str, Callable[[Cluster], None]] = {
    "a lost row": lambda c: change_row(c, 3, lambda row: None),
    "a row of no task": lambda c: c.world.store.tables.tasks.update(
        {(c.job_id, BLOCK): replace(c.world.store.tables.tasks[c.job_id, 1], index=BLOCK)}
    ),
    "a row that is not final": lambda c: change_row(
        c, index_of("quick"), lambda row: replace(row, state=TaskState.RETRYING)
    ),
    "another result": lambda c: change_row(
        c, index_of("quick"), lambda row: replace(row, result='{"index": -1}')
    ),
    "the result of another run": lambda c: change_row(c, index_of("large"), another_run),
    "an attempt that is committed twice": lambda c: change_row(c, index_of("flaky"), repeated),
    "an attempt too many": lambda c: change_row(
        c, index_of("quick"), lambda row: replace(row, attempt=2)
    ),
    "a success that should have failed": lambda c: change_row(
        c, index_of("refuses"), lambda row: replace(row, state=TaskState.SUCCEEDED)
    ),
    "a task that failed for another reason": lambda c: change_row(c, index_of("fails"), lost),
    "a task in two sets": lambda c: change_leaf(
        c, lambda leaf: replace(leaf, failed=leaf.failed | set(list(leaf.ok)[:1]))
    ),
    "a task in no set": lambda c: change_leaf(
        c, lambda leaf: replace(leaf, ok=frozenset(list(leaf.ok)[1:]))
    ),
    "a leaf that is open": lambda c: change_leaf(c, lambda leaf: replace(leaf, closed=None)),
    "a node that is behind": lambda c: c.world.store.tables.nodes.clear(),
    "a root that is behind": lambda c: c.world.store.tables.roots.clear(),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_tables_are_found_wrong(damage: str) -> None:
    cluster, lines = finished()
    DAMAGES[damage](cluster)
    assert judged(cluster, lines).problems


LINES: dict[str, Callable[[list[Line]], object]] = {
    "a lost line": lambda lines: lines.pop(7),
    "a line twice": lambda lines: lines.insert(7, lines[7]),
    "out of order": lambda lines: lines.reverse(),
    "another result": lambda lines: lines[index_of("quick")].update(result={}),
    "a result of another attempt": lambda lines: lines[index_of("flaky")].update(
        result=result_of(SEED, index_of("flaky"), 1)
    ),
    "another state": lambda lines: lines[index_of("fails")].update(state="SUCCEEDED"),
}


@pytest.mark.parametrize("damage", LINES)
def test_damaged_results_are_found_wrong(damage: str) -> None:
    cluster, lines = finished()
    LINES[damage](lines)
    assert judged(cluster, lines).problems


def test_the_report_tells_each_fault_and_each_problem() -> None:
    run = Run(SEED, BLOCK, counts={"succeeded": 480, "failed": 20})
    run.faults.update({("throttle", "sqs.ReceiveMessage"): 3, ("throttle", "s3.PutObject"): 1})
    assert reports.as_json([run], RATES)["passed"]
    run.problems.append("task 3 is lost")
    content = reports.as_json([run], RATES)
    assert not content["passed"]
    assert content["runs"][0]["faults"]["throttle"] == 4
    assert content["runs"][0]["faults"]["kill_worker"] == 0
    page = reports.as_markdown(content)
    assert "task 3 is lost" in page
    assert all(kind in page for kind in RATES)
