"""The audit must be able to say no: tables are corrupted in each way it checks; it names kind and place."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from orchestrator.model.items import Job, TaskRow
from orchestrator.model.progress import (
    Counts,
    Leaf,
    Packed,
    pack_leaf,
    pack_node,
    unpack_leaf,
    unpack_node,
)
from orchestrator.model.states import JobState, Outcome, TaskState
from orchestrator.service.audit import audit_job
from orchestrator.service.audit_kinds import KINDS
from orchestrator.service.audit_views import AuditOut
from tests.fakes.cluster import ALICE, Cluster
from tests.fakes.lives import (
    TASKS,
    begun,
    cancelled,
    cancelled_and_retried,
    committed,
    failing,
    flaky,
    odd_fail,
    plain,
)

type Damage = Callable[[Cluster], None]
type Place = str | int


def audit(cluster: Cluster) -> AuditOut:
    return audit_job(cluster.world.deps, ALICE, cluster.job_id, first=None, limit=64, cursor=None)


def running(cluster: Cluster) -> Cluster:
    """Return a job in the middle: task 0 to 24 ended, some to be retried."""
    message, *_ = begun(cluster).messages()
    cluster.world.store.tables.roots.clear()
    cluster.report(message, flaky)
    return cluster


def open_leaf(cluster: Cluster) -> Cluster:
    """Return a job half of whose tasks failed, in the middle."""
    for message in begun(cluster, retry={"max_attempts": 1}).messages()[:2]:
        cluster.world.wait(1)
        cluster.report(message, odd_fail)
    return cluster


def tables(cluster: Cluster) -> Any:
    return cluster.world.store.tables


def job(**changes: Any) -> Damage:
    def damage(cluster: Cluster) -> None:
        jobs: dict[str, Job] = tables(cluster).jobs
        jobs[cluster.job_id] = replace(jobs[cluster.job_id], **changes)

    return damage


def leaf(number: int, change: Callable[[Leaf], Leaf | None]) -> Damage:
    def damage(cluster: Cluster) -> None:
        leaves, key = tables(cluster).leaves, (cluster.job_id, number)
        changed = change(leaves.get(key) or Leaf())
        if changed is None:
            del leaves[key]
        else:
            leaves[key] = changed

    return damage


def row(index: int, change: Callable[[TaskRow], TaskRow | None]) -> Damage:
    def damage(cluster: Cluster) -> None:
        rows, key = tables(cluster).tasks, (cluster.job_id, index)
        changed = change(rows[key])
        if changed is None:
            del rows[key]
        else:
            rows[key] = changed

    return damage


def root(change: Callable[[Packed], Packed], number: int = 0) -> Damage:
    def damage(cluster: Cluster) -> None:
        roots = tables(cluster).roots
        old = roots[cluster.job_id]
        packed = pack_node(change(unpack_node(old.nodes.get(number, 0))))
        roots[cluster.job_id] = replace(old, nodes={**old.nodes, number: packed})

    return damage


def slot(change: Callable[[Packed], Packed], number: int = 0) -> Damage:
    """Damage a node's count of a leaf, and let ROOT follow: the node's version does not change."""

    def damage(cluster: Cluster) -> None:
        nodes, key = tables(cluster).nodes, (cluster.job_id, 0)
        packed = pack_leaf(change(unpack_leaf(nodes[key].leaves.get(number, 0))))
        nodes[key] = replace(nodes[key], leaves={**nodes[key].leaves, number: packed})
        roots = tables(cluster).roots
        packed = pack_node(nodes[key].packed())
        roots[cluster.job_id] = replace(roots[cluster.job_id], nodes={0: packed})

    return damage


def counted(packed: Packed, ver: int = 0, **changes: int) -> Packed:
    """Return counts with `ver` and `changes` added."""
    tally = {name: getattr(packed.tally, name) + n for name, n in changes.items()}
    return Packed(packed.ver + ver, packed.tally._replace(**tally))


def manifest(**changes: Any) -> Damage:
    def damage(cluster: Cluster) -> None:
        bodies = cluster.world.results.bodies
        key = f"results/{cluster.job_id}/{cluster.gen}/manifest.json"
        bodies[key] = json.dumps({**json.loads(bodies[key]), **changes}).encode()

    return damage


def part(change: Callable[[list[bytes]], list[bytes] | None]) -> Damage:
    """Damage a part of the results; its size in the manifest follows."""

    def damage(cluster: Cluster) -> None:
        bodies = cluster.world.results.bodies
        prefix = f"results/{cluster.job_id}/{cluster.gen}"
        lines = change(bodies[f"{prefix}/part-00000.jsonl"].splitlines(keepends=True))
        if lines is None:
            del bodies[f"{prefix}/part-00000.jsonl"]
            return
        bodies[f"{prefix}/part-00000.jsonl"] = b"".join(lines)
        told = json.loads(bodies[f"{prefix}/manifest.json"])
        told["parts"][0]["bytes"] = told["bytes"] = len(b"".join(lines))
        bodies[f"{prefix}/manifest.json"] = json.dumps(told).encode()

    return damage


def ended_as(outcome: Outcome, **changes: Any) -> Callable[[TaskRow], TaskRow]:
    def change(old: TaskRow) -> TaskRow:
        assert old.last is not None
        return replace(old, last=replace(old.last, outcome=outcome), **changes)

    return change


def twice(old: TaskRow) -> TaskRow:
    """Let a second run of the same attempt be committed after the first."""
    assert old.last is not None
    return replace(old, history=(old.last,), last=replace(old.last, run_id="another-run"))


def forgotten(cluster: Cluster) -> None:
    """Let a commit from long before the stop be missed by the sets."""

    def change(old: TaskRow) -> TaskRow:
        new = committed(old)
        assert new.last is not None
        return replace(new, last=replace(new.last, at=new.last.at - timedelta(seconds=61)))

    row(0, change)(cluster)


def orphan(cluster: Cluster) -> None:
    rows = tables(cluster).tasks
    rows[cluster.job_id, TASKS] = replace(rows[cluster.job_id, 0], index=TASKS)


def orphan_of_the_next_leaf(cluster: Cluster) -> None:
    rows = tables(cluster).tasks
    rows[cluster.job_id, 500] = replace(rows[cluster.job_id, 0], index=500)


def a_leaf_of_the_next_node(cluster: Cluster) -> None:
    tables(cluster).leaves[cluster.job_id, 64] = Leaf(ok=frozenset({0}))


def a_next_node(cluster: Cluster) -> None:
    tables(cluster).nodes[cluster.job_id, 1] = tables(cluster).nodes[cluster.job_id, 0]


def more(name: str, *offsets: int) -> Callable[[Leaf], Leaf]:
    def change(old: Leaf) -> Leaf:
        changed: Any = {name: getattr(old, name) | set(offsets)}
        return replace(old, **changed)

    return change


def less(name: str, *offsets: int) -> Callable[[Leaf], Leaf]:
    def change(old: Leaf) -> Leaf:
        changed: Any = {name: getattr(old, name) - set(offsets)}
        return replace(old, **changed)

    return change


def gone(_: object) -> None:
    return None


FAILED_ROW = ended_as(Outcome.FAILED, state=TaskState.FAILED)
CASES: list[tuple[str, Place, Callable[[Cluster], Cluster], Damage]] = [
    ("final_counts_differ", "job", plain, job(final_counts=Counts(succeeded=TASKS - 1, failed=1))),
    ("final_counts_differ", "job", plain, job(final_counts=None)),
    ("final_counts_differ", "job", failing, root(lambda p: counted(p, 1, ok=-1, failed=1))),
    ("final_state_differs", "job", plain, job(state=JobState.FAILED)),
    ("final_state_differs", "job", cancelled, job(state=JobState.SUCCEEDED)),
    ("job_not_complete", "job", plain, root(lambda p: counted(p, 1, ok=-1))),
    ("job_not_complete", "job", running, job(state=JobState.FAILED)),
    ("cursor_out_of_range", "job", plain, job(cursor=TASKS - 1)),
    ("cursor_out_of_range", "job", running, job(cursor=TASKS + 1)),
    ("cursor_out_of_range", "job", running, job(cursor=-1)),
    ("cursor_out_of_range", "job", running, job(base_finals=-1)),
    ("ended_but_never_sent", "job", open_leaf, job(cursor=1)),
    ("manifest_missing", "job", plain, job(results_ref=None)),
    ("manifest_missing", "job", plain, job(results_ref="results/none/manifest.json")),
    ("manifest_differs", "job", plain, manifest(gen=2)),
    ("manifest_differs", "job", plain, manifest(job_id="another")),
    ("manifest_differs", "job", plain, manifest(lines=TASKS - 1)),
    ("manifest_differs", "job", plain, manifest(bytes=7)),
    ("manifest_differs", "job", plain, manifest(parts=[])),
    ("manifest_differs", "job", failing, manifest(counts={"succeeded": 1, "failed": TASKS - 1})),
    ("part_missing", "node 0", plain, part(gone)),
    ("part_differs", "node 0", plain, part(lambda lines: lines[:-1])),
    ("part_differs", "node 0", plain, part(lambda lines: [*lines, lines[-1]])),
    ("part_differs", "node 0", plain, part(lambda lines: [*lines[:9], *lines[8:]])),
    ("part_differs", "node 0", plain, part(lambda lines: [b"\n", *lines[1:]])),
    ("part_differs", 3, plain, part(lambda lines: [t.replace(b"SUCC", b"F") if b'"index":3,' in t
                                                   else t for t in lines])),
    ("orphan_node", "node 1", running, root(lambda p: counted(p, 1, ok=1), number=1)),
    ("orphan_node", "node 1", running, a_next_node),
    ("orphan_leaf", "leaf 2", running, slot(lambda p: counted(p, 1, ok=1), number=2)),
    ("orphan_leaf", "leaf 2", plain, leaf(2, more("ok", 0))),
    ("orphan_leaf", "leaf 64", running, a_leaf_of_the_next_node),
    ("orphan_offset", TASKS, running, leaf(1, more("ok", 5))),
    ("orphan_offset", TASKS + 1, running, leaf(1, more("retry", 6))),
    ("orphan_row", TASKS, plain, orphan),
    ("orphan_row", 500, running, orphan_of_the_next_leaf),
    ("count_too_big", "node 0", running, root(lambda p: counted(p, failed=TASKS))),
    ("count_too_big", "leaf 1", running, slot(lambda p: counted(p, retrying=6), number=1)),
    ("root_ahead", "node 0", running, root(lambda p: counted(p, 1))),
    ("root_ahead", "node 0", plain, root(lambda p: counted(p, 1))),
    ("root_ahead", "node 0", plain, lambda c: tables(c).nodes.clear()),
    ("root_differs", "node 0", open_leaf, root(lambda p: counted(p, failed=1))),
    ("root_differs", "node 0", plain, root(lambda p: counted(p, ok=-1))),
    ("root_differs", "node 0", running, root(lambda p: counted(p, -1, ok=10))),
    ("root_stale", "node 0", plain, root(lambda p: counted(p, -1))),
    ("node_ahead", "leaf 0", running, slot(lambda p: counted(p, 1))),
    ("node_ahead", "leaf 1", plain, slot(lambda p: counted(p, 1), number=1)),
    ("node_ahead", "leaf 1", plain, leaf(1, gone)),
    ("node_differs", "leaf 0", open_leaf, slot(lambda p: counted(p, failed=-1))),
    ("node_differs", "leaf 0", failing, slot(lambda p: counted(p, ok=-1, failed=1))),
    ("node_differs", "leaf 0", running, slot(lambda p: counted(p, -1, ok=10))),
    ("node_stale", "leaf 0", plain, slot(lambda p: counted(p, -1))),
    ("sets_overlap", 0, plain, leaf(0, more("failed", 0))),
    ("sets_overlap", 1, open_leaf, leaf(0, more("ok", 1))),
    ("sets_overlap", 250, cancelled, leaf(1, more("skipped", 0))),
    ("leaf_missing", "leaf 1", plain, leaf(1, gone)),
    ("leaf_not_closed", "leaf 0", plain, leaf(0, lambda old: replace(old, closed=None))),
    ("leaf_not_closed", "leaf 1", cancelled, leaf(1, lambda old: replace(old, closed="closing"))),
    ("leaf_closed_early", "leaf 0", running, leaf(0, lambda old: replace(old, closed="done"))),
    ("leaf_closed_early", "leaf 0", running, leaf(0, lambda old: replace(old, closed="closing"))),
    ("leaf_closed_early", "leaf 0", plain, leaf(0, less("ok", 9))),
    ("leaf_generation", "leaf 0", running, leaf(0, lambda old: replace(old, gen=2))),
    ("leaf_generation", "leaf 0", failing, leaf(0, lambda old: replace(old, gen=1))),
    ("ended_without_stop", "leaf 0", running, leaf(0, more("skipped", 200))),
    ("ended_without_stop", "leaf 0", cancelled, job(stop=None)),
    ("task_not_final", 9, plain, leaf(0, less("ok", 9))),
    ("task_not_final", 254, cancelled, leaf(1, less("cancelled", 4))),
    ("row_missing", 9, plain, row(9, gone)),
    ("row_missing", 1, open_leaf, row(1, gone)),
    ("row_missing", 0, running, row(0, gone)),
    ("row_differs", 9, plain, row(9, FAILED_ROW)),
    ("row_differs", 1, open_leaf, row(1, ended_as(Outcome.SUCCEEDED, state=TaskState.SUCCEEDED))),
    ("row_differs", 1, open_leaf, row(1, lambda old: replace(old, state=TaskState.PENDING, last=None))),
    ("row_differs", 2, open_leaf, row(2, lambda old: replace(old, state=TaskState.PENDING, last=None))),
    ("row_differs", 0, running, row(0, lambda old: replace(old, state=TaskState.PENDING, last=None))),
    ("row_differs", 0, cancelled, row(0, lambda old: replace(old, state=TaskState.SKIPPED))),
    ("row_generation", 9, plain, row(9, lambda old: replace(old, gen=2))),
    ("row_generation", 0, running, row(0, lambda old: replace(old, gen=2))),
    ("row_inconsistent", 9, plain, row(9, lambda old: replace(old, last=None))),
    ("row_inconsistent", 9, plain, row(9, lambda old: replace(old, attempt=7))),
    ("row_inconsistent", 9, plain, row(9, ended_as(Outcome.FAILED))),
    ("row_inconsistent", 1, open_leaf, row(1, ended_as(Outcome.SUCCEEDED))),
    ("row_inconsistent", 0, running, row(0, lambda old: replace(old, due_at=None))),
    ("row_inconsistent", 0, running, row(0, lambda old: replace(old, state=TaskState.PENDING))),
    ("row_inconsistent", 3, failing, row(3, lambda old: replace(
        old, history=(replace(old.history[0], attempt=99),)))),
    ("two_commits", 9, plain, row(9, twice)),
    ("two_commits", 1, open_leaf, row(1, twice)),
    ("two_commits", 0, plain, row(0, lambda old: replace(
        old, history=(replace(old.history[0], outcome=Outcome.SUCCEEDED),)))),
    ("lost_commit", 0, cancelled, forgotten),
]  # fmt: skip


def places(page: AuditOut, kind: str) -> set[Place]:
    """Return where a kind was found."""
    return {
        int(found.task_id.rsplit("-")[1])
        if found.task_id is not None
        else f"leaf {found.leaf}"
        if found.leaf is not None
        else f"node {found.node}"
        if found.node is not None
        else "job"
        for found in page.findings
        if found.kind == kind
    }


@pytest.mark.parametrize(("kind", "place", "life", "damage"), CASES)
def test_damage_is_named_where_it_is(
    kind: str, place: Place, life: Callable[[Cluster], Cluster], damage: Damage
) -> None:
    cluster = life(Cluster())
    assert audit(cluster).verdict != "violated"
    damage(cluster)
    page = audit(cluster)
    assert page.verdict == "violated"
    assert place in places(page, kind), page.kinds
    evidence = next(found for found in page.findings if found.kind == kind)
    assert evidence.severity == "violation"
    assert evidence.expected != evidence.found
    assert evidence.explanation == KINDS[kind][1]


def test_every_violation_that_there_is_was_seen() -> None:
    assert {kind for kind, *_ in CASES} == {
        kind for kind, (severity, _) in KINDS.items() if severity == "violation"
    }


def test_a_reopened_leaf_without_its_row_is_named() -> None:
    cluster = cancelled_and_retried(Cluster())
    job(state=JobState.PROCESSING, final_counts=None)(cluster)
    leaf(0, lambda old: replace(less("ok", 60)(old), closed=None))(cluster)
    row(60, lambda old: replace(old, gen=2))(cluster)
    assert 60 in places(audit(cluster), "row_generation")


@pytest.mark.parametrize("second", [[], [4]])
def test_what_only_one_of_two_looks_shows_is_no_violation(second: list[int]) -> None:
    cluster = running(Cluster())
    good = tables(cluster).leaves[cluster.job_id, 0]
    read, looks = cluster.world.store.get_node_leaves, [[1], second]

    def flicker(job_id: str, node: int) -> dict[int, Leaf]:
        if node != 0:
            return read(job_id, node)
        bad = replace(more("failed", *looks.pop(0))(good), ver=good.ver + 1)
        return {**read(job_id, node), 0: bad}

    cluster.world.store.get_node_leaves = flicker  # type: ignore[method-assign]
    assert audit(cluster).verdict == "in_progress"
    assert looks == []


def test_findings_are_bounded_and_counted() -> None:
    cluster = plain(Cluster())
    for index in range(200):
        row(index, FAILED_ROW)(cluster)
    page = audit(cluster)
    assert len(page.findings) == 100
    assert page.kinds["row_differs"] == 200
    assert len(page.model_dump_json()) < 60_000


def test_violations_come_before_what_is_no_violation() -> None:
    cluster = cancelled(Cluster())
    for index in range(0, 25, 3):
        row(index, committed)(cluster)
    row(1, gone)(cluster)
    page = audit(cluster)
    assert page.findings[0].severity == "violation"
    assert page.findings[-1].kind == "late_commit"
