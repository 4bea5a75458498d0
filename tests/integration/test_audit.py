"""The audit over every store: clean where nothing is wrong, and it names what a write past the rules did."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from orchestrator.model.items import Absent, TaskWrite
from orchestrator.model.progress import Counts, Packed, Tally, pack_leaf, pack_node
from orchestrator.model.states import JobState
from orchestrator.service.audit import audit_job
from orchestrator.service.audit_views import AuditOut
from orchestrator.service.ports import JobGuard, Store
from tests.fakes.cluster import ALICE, Cluster
from tests.fakes.lives import TASKS, begun, cancelled, odd_fail
from tests.integration.values import LATER, NOW, a_world, make_row

FAR = Packed(9_000, Tally(ok=200))


def audit(cluster: Cluster) -> AuditOut:
    return audit_job(cluster.world.deps, ALICE, cluster.job_id, first=None, limit=64, cursor=None)


def reopened(cluster: Cluster) -> Cluster:
    """Let half of a few tasks fail, and a retry of those succeed."""
    begun(cluster, tasks={"count": 12}, retry={"max_attempts": 1}).work(odd_fail)
    cluster.end()
    again = cluster.retry(error_types=["Boom"])
    again.begin()
    again.work()
    again.end()
    return again


@pytest.mark.parametrize(("life", "total"), [(reopened, 12), (cancelled, TASKS)])
def test_a_job_that_ended_is_clean_on_every_store(
    store: Store, job_id: str, life: Callable[[Cluster], Cluster], total: int
) -> None:
    page = audit(life(Cluster(world=a_world(store, job_id))))
    assert (page.verdict, page.kinds) == ("clean", {})
    assert sum(page.counts.sets.values()) == total


def two_sets(store: Store, job_id: str) -> None:
    store.add_to_leaf(job_id, 0, 1, {"failed": frozenset({0})}, LATER)


def a_set_without_a_row(store: Store, job_id: str) -> None:
    store.add_to_leaf(job_id, 0, 1, {"ok": frozenset({200})}, LATER)


def a_row_beyond(store: Store, job_id: str) -> None:
    store.write_tasks([TaskWrite(row=make_row(job_id, TASKS), expect=Absent())])


def a_node_that_knows_too_much(store: Store, job_id: str) -> None:
    store.push_leaves(job_id, {0: pack_leaf(FAR)}, LATER)


def a_root_that_knows_too_much(store: Store, job_id: str) -> None:
    store.push_node(job_id, 0, pack_node(FAR), NOW, LATER)


def a_closed_leaf(store: Store, job_id: str) -> None:
    store.begin_close(job_id, 1, 1, LATER)


def a_cursor_beyond(store: Store, job_id: str) -> None:
    store.update_job(job_id, JobGuard(), cursor=TASKS + 1)


def an_end_that_never_was(store: Store, job_id: str) -> None:
    store.update_job(
        job_id, JobGuard(), state=JobState.SUCCEEDED, final_counts=Counts(succeeded=TASKS)
    )


DAMAGES: dict[str, Callable[[Store, str], None]] = {
    "sets_overlap": two_sets,
    "row_missing": a_set_without_a_row,
    "orphan_row": a_row_beyond,
    "node_ahead": a_node_that_knows_too_much,
    "root_ahead": a_root_that_knows_too_much,
    "leaf_closed_early": a_closed_leaf,
    "cursor_out_of_range": a_cursor_beyond,
    "final_counts_differ": an_end_that_never_was,
    "job_not_complete": an_end_that_never_was,
    "leaf_not_closed": an_end_that_never_was,
    "manifest_missing": an_end_that_never_was,
    "task_not_final": an_end_that_never_was,
}


@pytest.mark.parametrize("kind", DAMAGES)
def test_damage_is_named_on_every_store(store: Store, job_id: str, kind: str) -> None:
    cluster = begun(Cluster(world=a_world(store, job_id)), retry={"max_attempts": 1})
    cluster.report(cluster.messages()[0], odd_fail)
    assert audit(cluster).verdict == "in_progress"
    DAMAGES[kind](store, job_id)
    page = audit(cluster)
    assert page.verdict == "violated"
    assert kind in page.kinds
