"""Whether a finished job is right: sets, rows, totals and results against each other and the plan."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from orchestrator.model.ids import leaf_of, leaf_range, nodes_of, offset_of
from orchestrator.model.items import Job, TaskRow
from orchestrator.model.progress import FINAL_SETS, Leaf, Root, Tally, add_tallies
from orchestrator.model.states import JobState, TaskState
from orchestrator.service.ports import Store
from tests.chaos.plan import Ending, ending_of, result_of


@dataclass
class Verdict:
    """What is wrong: nothing, if all is well."""

    problems: list[str] = field(default_factory=list)
    results: dict[int, dict[str, object] | None] = field(default_factory=dict)
    """What each task's line among the results must say; None where it failed."""

    def check(self, right: bool, problem: str) -> None:
        """Keep a problem unless it is none."""
        if not right:
            self.problems.append(problem)


def judge_tables(store: Store, job_id: str, seed: int, total: int) -> Verdict:
    """Read every item of a finished job and hold it against the plan."""
    verdict = Verdict()
    job, root = store.get_job(job_id), store.get_root(job_id)
    assert job is not None
    tally = Tally()
    rows: dict[int, TaskRow] = {}
    for number in range(leaf_of(total - 1) + 1):
        leaf = store.get_leaf(job_id, number) or Leaf()
        found = store.get_leaf_tasks(job_id, number)
        _judge_leaf(verdict, number, leaf, found, total)
        tally = add_tallies([tally, leaf.packed().tally])
        rows |= found
    rows |= store.get_leaf_tasks(job_id, leaf_of(total - 1) + 1)  # Where no task is.
    _judge_totals(verdict, store, job, root, tally, total)
    verdict.check(sorted(rows) == list(range(total)), f"{len(rows)} rows of {total} tasks")
    for index, row in sorted(rows.items())[:total]:
        _judge_row(verdict, seed, index, row)
    return verdict


def _judge_leaf(
    verdict: Verdict, number: int, leaf: Leaf, rows: Mapping[int, TaskRow], total: int
) -> None:
    """Every task in exactly one set, the set that its row names; the leaf closed."""
    verdict.check(leaf.closed == "done", f"leaf {number} is not closed")
    inside = Counter(offset for name in FINAL_SETS for offset in leaf.members(name))
    wanted = Counter(offset_of(index) for index in leaf_range(number, total))
    verdict.check(
        inside == wanted, f"leaf {number}: sets hold {inside - wanted} lack {wanted - inside}"
    )
    for index, row in rows.items():
        state = leaf.state(offset_of(index))
        verdict.check(row.state is state, f"task {index}: row {row.state}, set {state}")


def _judge_totals(
    verdict: Verdict, store: Store, job: Job, root: Root, tally: Tally, total: int
) -> None:
    """The same counts in sets, nodes, ROOT and JOB."""
    nodes = store.get_nodes(job.job_id, list(nodes_of(total)))
    of_nodes = add_tallies(node.packed().tally for node in nodes.values())
    verdict.check(job.state is JobState.SUCCEEDED, f"the job is {job.state}: {job.state_reason}")
    verdict.check(job.total == total, f"the job has {job.total} tasks")
    verdict.check(of_nodes == tally, f"nodes {of_nodes}, leaves {tally}")
    verdict.check(root.tally() == tally, f"ROOT {root.tally()}, leaves {tally}")
    verdict.check(tally.finals == total, f"{tally.finals} of {total} tasks have ended")
    counts = job.final_counts
    same = counts is not None and (counts.succeeded, counts.failed, counts.total) == (
        tally.ok,
        tally.failed,
        total,
    )
    verdict.check(same, f"JOB {counts}, leaves {tally}")


def _judge_row(verdict: Verdict, seed: int, index: int, row: TaskRow) -> None:
    """One committed end, after the right attempt, with the right outcome and the right result."""
    ending = ending_of(seed, index)
    last, name = row.last, f"task {index}"
    if last is None:
        verdict.problems.append(f"{name} has no committed attempt")
        return
    attempts = [*(end.attempt for end in row.history), last.attempt]
    verdict.check(attempts == list(range(1, row.attempt + 1)), f"{name}: attempts {attempts}")
    came = (row.state is TaskState.SUCCEEDED, row.attempt, last.outcome.value)
    verdict.check(came == _as_tuple(ending), f"{name}: {came}, planned {_as_tuple(ending)}")
    verdict.results[index] = result_of(seed, index, ending.attempt) if ending.succeeds else None
    if row.result_ref is not None:
        verdict.check(
            last.run_id in row.result_ref, f"{name}: result of another run {row.result_ref}"
        )
    elif ending.succeeds:
        same = json.loads(row.result or "null") == verdict.results[index]
        verdict.check(same, f"{name}: result {row.result}")


def _as_tuple(ending: Ending) -> tuple[bool, int, str]:
    return ending.succeeds, ending.attempt, ending.outcome


def judge_lines(verdict: Verdict, lines: Iterable[Mapping[str, Any]]) -> None:
    """Hold the lines of the results parts against the plan: one a task, in order, each right."""
    given = list(lines)
    indexes = [line["index"] for line in given]
    wanted = list(range(len(verdict.results)))
    verdict.check(
        indexes == wanted, f"{len(indexes)} lines of {len(wanted)} tasks, or out of order"
    )
    for problem in _wrong_lines(verdict, given):
        verdict.problems.append(problem)


def _wrong_lines(verdict: Verdict, lines: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    for line in lines:
        index = line["index"]
        wanted = verdict.results.get(index)
        state = "SUCCEEDED" if wanted is not None else "FAILED"
        if (line["state"], line.get("result")) != (state, wanted):
            yield f"line of task {index}: {json.dumps(line)[:200]}"
