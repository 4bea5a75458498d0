"""The audit of healthy jobs: clean at the end, never `violated` before, whatever happens between its reads."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from datetime import timedelta
from typing import Any

import pytest

from orchestrator.errors import InvalidCursor, InvalidField, NotFound
from orchestrator.model.ids import LEAF_SIZE, NODE_LEAVES, NODE_SIZE
from orchestrator.model.items import Role
from orchestrator.service.access import Caller
from orchestrator.service.audit import audit_job
from orchestrator.service.audit_views import AuditOut
from orchestrator.service.sweep import sweep
from tests.fakes.cluster import ALICE, Cluster
from tests.fakes.lives import LIVES, TASKS, begun, cancelled, committed, failing, flaky, plain
from tests.fakes.store import MemoryStore
from tests.fakes.world import World

type Life = Callable[[Cluster], Cluster]


def audit(cluster: Cluster, **asked: Any) -> AuditOut:
    """Audit one page, from the start unless told otherwise."""
    query = {"first": None, "limit": NODE_LEAVES, "cursor": None, **asked}
    return audit_job(cluster.world.deps, ALICE, cluster.job_id, **query)


def violations(page: AuditOut) -> list[str]:
    """Return the violations of a page, to be shown where there should be none."""
    return [repr(finding) for finding in page.findings if finding.severity == "violation"]


class Film(MemoryStore):
    """A store that shows another moment of the past at each read."""

    def __init__(self, moments: list[Any], begin: int, stride: int) -> None:
        super().__init__()
        self.moments, self.at, self.stride = moments, begin, stride

    def __getattribute__(self, name: str) -> Any:
        if name.startswith("get_"):
            self.tables = self.moments[min(self.at, len(self.moments) - 1)]
            self.at += self.stride
        return super().__getattribute__(name)


def film(life: Life) -> tuple[Cluster, list[Any]]:
    """Live a life and keep the tables as they were after every single write."""
    cluster, moments = Cluster(), list[Any]()

    def keep(_: str) -> None:
        tables = cluster.world.store.tables
        copies = (dict(getattr(tables, field.name)) for field in fields(tables))
        moments.append(type(tables)(*copies))

    cluster.world.store.after_write = keep
    return life(cluster), moments


@pytest.mark.parametrize("life", LIVES)
def test_a_job_that_ended_is_clean(life: Life) -> None:
    page = audit(life(Cluster()))
    assert violations(page) == []
    assert page.verdict == "clean"
    assert sum(page.counts.sets.values()) == TASKS
    assert page.counts.sets == page.counts.node == page.counts.root


@pytest.mark.parametrize("life", LIVES)
@pytest.mark.parametrize("stride", [0, 1, 5, 40])
def test_a_healthy_job_is_never_violated_however_it_moves_between_two_reads(
    life: Life, stride: int
) -> None:
    cluster, moments = film(life)
    job_id = cluster.job_id
    verdict = None
    for begin in [*range(1, len(moments), 2 if stride == 1 else 6), len(moments) - 1]:
        deps = replace(cluster.world.deps, store=Film(moments, begin, stride))
        page = audit_job(deps, ALICE, job_id, first=None, limit=NODE_LEAVES, cursor=None)
        assert page.verdict != "violated", (begin, violations(page))
        verdict = page.verdict
    assert verdict == "clean"


class Died(BaseException):
    """The process died."""


def die_after(world: World, number: int) -> None:
    """Let the process die once, after so many writes."""
    left = [number]

    def hook(_: str) -> None:
        left[0] -= 1
        if left[0] == 0:
            world.store.after_write = lambda _: None
            raise Died

    world.store.after_write = hook


def finish(cluster: Cluster) -> None:
    """Let workers, the sweep and the machine's end do what is left; the audit never cries meanwhile."""
    for _ in range(6):
        cluster.work(flaky)
        assert audit(cluster).verdict == "in_progress"
        cluster.world.wait(200)
        sweep(cluster.world.deps, lambda: 40.0)
    cluster.end()


@pytest.mark.parametrize("number", range(1, 110, 2))
def test_a_job_that_survived_a_crash_after_any_write_is_clean(number: int) -> None:
    cluster = Cluster()
    cluster.submit(tasks={"count": 30}, tasks_per_message=10)
    die_after(cluster.world, number)
    try:
        cluster.begin()
    except Died:
        assert audit(cluster).verdict == "in_progress"
        cluster.begin()
    for message in cluster.messages():
        try:
            cluster.report(message, flaky)
        except Died:
            assert audit(cluster).verdict == "in_progress"
            cluster.report(message, flaky)
    cluster.world.store.after_write = lambda _: None
    finish(cluster)
    page = audit(cluster)
    assert (page.verdict, page.kinds) == ("clean", {})


def test_a_page_is_one_node_and_the_pages_cover_the_job() -> None:
    cluster = begun(Cluster(), tasks={"count": 2 * NODE_SIZE + 300})
    seen, cursor = [], None
    while True:
        page = audit(cluster, cursor=cursor)
        seen.append((page.checked.start, page.checked.stop))
        cursor = page.next_cursor
        if cursor is None:
            break
    assert seen == [(0, 16_000), (16_000, 32_000), (32_000, 32_300)]
    asked = audit(cluster, first=16_251, limit=3)
    assert (asked.checked.start, asked.checked.stop) == (16_250, 17_000)
    assert asked.counts.sets == {"PENDING": 3 * LEAF_SIZE}


class Counting(MemoryStore):
    """A store that counts what is read."""

    def __init__(self) -> None:
        super().__init__()
        self.reads: list[str] = []

    def __getattribute__(self, name: str) -> Any:
        if name.startswith(("get_", "list_")):
            self.reads.append(name)
        return super().__getattribute__(name)


def test_a_page_of_a_million_tasks_reads_one_node() -> None:
    store = Counting()
    cluster = begun(Cluster(world=World(store=store)), tasks={"count": 1_000_000}, max_running=100)
    for first in (0, 500_000, 999_999):
        store.reads.clear()
        page = audit(cluster, first=first, limit=64)
        rows = store.reads.count("get_leaf_tasks")
        assert rows <= 65
        assert len(store.reads) - rows <= 7
        assert page.verdict == "in_progress"


def test_a_page_ends_early_when_its_time_is_over() -> None:
    cluster = begun(Cluster(), tasks={"count": 5_000})
    read = cluster.world.store.get_leaf_tasks

    def slow(job_id: str, leaf: int) -> Any:
        cluster.world.wait(4)
        return read(job_id, leaf)

    cluster.world.store.get_leaf_tasks = slow  # type: ignore[method-assign]
    page = audit(cluster)
    assert (page.checked.start, page.checked.stop) == (0, 750)
    assert audit(cluster, cursor=page.next_cursor).checked.start == 750


def test_a_late_outcome_is_named_and_no_violation() -> None:
    cluster = cancelled(Cluster())
    rows = cluster.world.store.tables.tasks
    rows[cluster.job_id, 3] = committed(rows[cluster.job_id, 3])
    page = audit(cluster)
    assert page.verdict == "clean"
    (finding,) = page.findings
    assert (finding.kind, finding.task_id) == ("late_commit", f"{cluster.job_id}-3")


def test_a_lag_is_named_and_no_violation() -> None:
    cluster = Cluster()
    begun(cluster)
    push = cluster.world.store.push_leaves

    def die(*_: object) -> None:
        raise Died

    cluster.world.store.push_leaves = die  # type: ignore[assignment]
    message = cluster.messages()[0]
    with pytest.raises(Died):
        cluster.report(message)
    page = audit(cluster)
    assert (page.verdict, page.kinds) == ("in_progress", {"node_behind": 1})
    cluster.world.store.push_leaves = push  # type: ignore[method-assign]
    cluster.report(message)
    assert audit(cluster).kinds == {}


def test_what_may_have_expired_is_named_and_not_compared() -> None:
    cluster = plain(Cluster())
    cluster.world.clock += cluster.world.deps.retention + timedelta(days=1)
    tables = cluster.world.store.tables
    del tables.tasks[cluster.job_id, 7]
    del tables.leaves[cluster.job_id, 1]
    tables.nodes.clear()
    page = audit(cluster)
    assert (page.verdict, page.kinds) == ("clean", {"expired": 3})


@pytest.mark.parametrize("role", Role)
def test_every_role_may_audit_its_tenant_s_jobs_and_no_other(role: Role) -> None:
    cluster = begun(Cluster())
    asked: dict[str, Any] = {"first": None, "limit": 1, "cursor": None}
    own, other = Caller("acme", role, "k"), Caller("other", role, "k")
    assert audit_job(cluster.world.deps, own, cluster.job_id, **asked).job_id == cluster.job_id
    with pytest.raises(NotFound):
        audit_job(cluster.world.deps, other, cluster.job_id, **asked)


def test_a_place_beyond_the_job_and_a_cursor_of_another_are_refused() -> None:
    cluster = failing(Cluster())
    for first in (TASKS + LEAF_SIZE, 999_999):
        with pytest.raises(InvalidField):
            audit(cluster, first=first)
    page = audit(cluster, limit=1)
    with pytest.raises(InvalidField):
        audit(cluster, first=0, cursor=page.next_cursor)
    other = begun(Cluster(world=cluster.world))
    with pytest.raises(InvalidCursor):
        audit(other, cursor=page.next_cursor)


def test_a_job_without_tasks_yet_is_in_progress() -> None:
    cluster = Cluster()
    cluster.submit()
    page = audit(cluster)
    assert (page.verdict, page.kinds, page.next_cursor) == ("in_progress", {}, None)
