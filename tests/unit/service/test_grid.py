"""The grid over whole lives of jobs: it agrees with the sets, and changes add up to the whole."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace

import pytest

from orchestrator.errors import InvalidCursor, NotFound
from orchestrator.model.ids import LEAF_SIZE, leaves_of_node, nodes_of
from orchestrator.model.items import Role
from orchestrator.model.progress import Leaf, SetName
from orchestrator.model.states import JobState, TaskState
from orchestrator.model.wire import HeartbeatIn, RunningTask
from orchestrator.service import grid
from orchestrator.service.access import Caller
from orchestrator.service.beat import heartbeat
from orchestrator.service.commit import put_leaves_in_node, put_node_in_root
from orchestrator.service.ports import JobGuard
from tests.fakes.cluster import ALICE, Cluster
from tests.fakes.grid import GridReader
from tests.fakes.lives import LIVES, begun, cancel, flaky, odd_fail
from tests.fakes.store import MemoryStore
from tests.fakes.world import World


class CountingStore(MemoryStore):
    """A store that notes which leaves are read."""

    def __init__(self) -> None:
        super().__init__()
        self.leaf_reads: list[int] = []
        self.node_queries: list[int] = []

    def get_leaf(self, job_id: str, leaf: int) -> Leaf | None:
        self.leaf_reads.append(leaf)
        return super().get_leaf(job_id, leaf)

    def get_node_leaves(self, job_id: str, node: int) -> dict[int, Leaf]:
        self.node_queries.append(node)
        return super().get_node_leaves(job_id, node)


def ask(cluster: Cluster, reader: GridReader, since: str | None = None) -> GridReader:
    view = grid.open_grid(cluster.world.deps, ALICE, cluster.job_id, since)
    return reader.apply(grid.grid_body(cluster.world.deps, view))


def follow(cluster: Cluster, reader: GridReader) -> GridReader:
    """Ask for what changed since the reader's last answer."""
    return ask(cluster, reader, reader.header["version"])


def true_states(cluster: Cluster) -> dict[int, str]:
    store = cluster.world.store
    return {
        index: (store.get_leaf(cluster.job_id, index // 250) or Leaf()).state(index % 250)
        for index in range(cluster.job.total or 0)
    }


@pytest.mark.parametrize("life", LIVES, ids=lambda life: life.__name__)
def test_a_reader_that_follows_knows_what_one_knows_that_begins_anew(
    life: Callable[[Cluster], Cluster],
) -> None:
    # The reader asks after each push into ROOT: the moments at which anything may have changed for it.
    cluster, reader, seen = Cluster(), GridReader(), [0]
    store = cluster.world.store

    def look(name: str) -> None:
        job_id = next(iter(store.tables.jobs), None)
        if name == "push_node" and job_id is not None:
            cluster.job_id, seen[0] = job_id, seen[0] + 1
            ask(cluster, reader, reader.header.get("version"))
            assert reader.header["complete"]

    store.after_write = look
    last = life(cluster)
    follow(last, reader)
    assert seen[0] >= 2
    assert reader.cells == true_states(last)
    assert ask(last, GridReader()).cells == reader.cells
    assert reader.header["counts"] == {
        state.lower(): reader.counts()[state] for state in (*TaskState,)
    }


def test_a_job_that_is_not_planned_has_no_leaves() -> None:
    cluster = Cluster()
    cluster.submit()
    cluster.world.store.update_job(cluster.job_id, JobGuard(), total=None)  # type: ignore[arg-type]
    reader = ask(cluster, GridReader())
    assert (reader.header["total"], reader.header["leaves"]) == (None, [])
    begun_job = cluster.world.store.update_job(cluster.job_id, JobGuard(), total=10)
    assert begun_job is not None
    assert follow(cluster, reader).counts() == {"PENDING": 10}


def test_only_leaves_that_changed_are_sent() -> None:
    cluster = begun(Cluster(), tasks={"count": 1_000})
    reader = ask(cluster, GridReader())
    assert reader.leaves == [0, 1, 2, 3]
    assert follow(cluster, reader).leaves == []
    first, second, *_ = cluster.messages()
    cluster.report(first, odd_fail)
    assert follow(cluster, reader).leaves == [0]
    cluster.world.wait(1)
    cluster.report(second, odd_fail)
    assert follow(cluster, reader).leaves == [0]
    assert follow(cluster, reader).leaves == []


def test_a_leaf_that_was_read_ahead_of_its_node_is_not_sent_twice() -> None:
    cluster = begun(Cluster(), tasks={"count": 1_000})
    first, *_ = cluster.messages()
    cluster.report(first, odd_fail)
    reader = ask(cluster, GridReader())
    # The second report's leaf is written; its node and root wait for the throttle.
    store = cluster.world.store
    ahead = store.add_to_leaf(cluster.job_id, 0, 1, {"ok": frozenset({30})}, cluster.job.expires_at)
    assert ahead is not None
    whole = ask(cluster, GridReader())
    assert whole.cells[30] == "SUCCEEDED"
    node = put_leaves_in_node(cluster.world.deps, cluster.job, {0: ahead})
    put_node_in_root(cluster.world.deps, cluster.job, 0, node)
    assert follow(cluster, whole).leaves == []
    assert follow(cluster, reader).leaves == [0]
    assert reader.cells == whole.cells


def test_what_runs_lies_over_the_cells_and_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = begun(Cluster(), tasks={"count": 30}, tasks_per_message=5)
    message, *_ = cluster.messages()
    cluster.report(message)
    running = [
        RunningTask(job=cluster.job_id, index=index, attempt=1, since_ms=0)
        for index in (4, 5, 9, 29)
    ]
    beat = HeartbeatIn(version="1", slots=4, handlers=["echo"], running=running)
    heartbeat(cluster.world.deps, "w-1", beat)
    reader = ask(cluster, GridReader())
    assert reader.header["running"] == [4, 5, 9, 29]
    assert [reader.shown(index) for index in (4, 5, 6)] == ["SUCCEEDED", "RUNNING", "PENDING"]
    monkeypatch.setattr(grid, "RUNNING_MAX", 2)
    cut = ask(cluster, GridReader()).header
    assert (cut["running"], cut["running_total"]) == ([4, 5], 4)


def test_the_tag_changes_with_the_answer_and_only_then() -> None:
    cluster = begun(Cluster(), tasks={"count": 300})
    message, *_ = cluster.messages()

    def tag(since: str | None = None) -> str:
        return grid.open_grid(cluster.world.deps, ALICE, cluster.job_id, since).tag

    before = tag()
    assert tag() == before
    cluster.report(message)
    after = tag()
    assert after != before
    cancel(cluster)
    stopping = tag()
    assert len({before, after, stopping, tag(ask(cluster, GridReader()).header["version"])}) == 4


def test_versions_are_of_one_job_and_one_tenant_s() -> None:
    cluster = begun(Cluster())
    version = ask(cluster, GridReader()).header["version"]
    other = Cluster(world=cluster.world)
    other.submit()
    with pytest.raises(InvalidCursor):
        ask(other, GridReader(), version)
    with pytest.raises(InvalidCursor):
        ask(cluster, GridReader(), version[:-2] + "xx")
    with pytest.raises(NotFound):
        grid.open_grid(cluster.world.deps, Caller("other", Role.ADMIN, "eve"), cluster.job_id, None)


def big(
    total: int, leaf_of: Callable[[int], Leaf], state: JobState = JobState.PROCESSING
) -> Cluster:
    """Return a job of `total` tasks whose leaves are as told, pushed up to the root."""
    cluster = Cluster(world=World(CountingStore()))
    cluster.submit(tasks={"count": total})
    deps, store = cluster.world.deps, cluster.world.store
    store.update_job(cluster.job_id, JobGuard(), state=state)
    for node in nodes_of(total):
        for number in leaves_of_node(node, total):
            leaf = replace(leaf_of(number), ver=250)
            if leaf != Leaf(ver=250):
                store.tables.leaves[cluster.job_id, number] = leaf
                pushed = put_leaves_in_node(deps, cluster.job, {number: leaf})
                put_node_in_root(deps, cluster.job, node, pushed)
    return cluster


def random_leaf(*names: str) -> Callable[[int], Leaf]:
    """Return a maker of leaves whose tasks are each in any of the sets, or in none."""
    dice = random.Random(7)

    def make(number: int) -> Leaf:
        sets: dict[str, set[int]] = {name: set() for name in names}
        for offset in range(LEAF_SIZE):
            sets.get(dice.choice(["none", *names]), set()).add(offset)
        return Leaf(**{name: frozenset(members) for name, members in sets.items()})  # type: ignore[arg-type]

    return make


MILLION = 1_000_000


def test_a_million_tasks_in_four_states_at_random_are_one_answer_below_300_kb() -> None:
    cluster = big(MILLION, random_leaf("ok", "failed", "cancelled"))
    view = grid.open_grid(cluster.world.deps, ALICE, cluster.job_id, None)
    busy = replace(view, running=list(range(MILLION - 5_000, MILLION)))
    body = grid.grid_body(cluster.world.deps, busy)
    assert 250_000 < len(body) <= 300_000
    reader = GridReader().apply(body)
    assert reader.header["complete"]
    assert len(reader.cells) == MILLION
    assert len(reader.header["version"]) < 3_000


def test_six_states_at_random_take_a_second_answer() -> None:
    cluster = big(MILLION, random_leaf("ok", "failed", "cancelled", "skipped", "retry"))
    reader, answers = GridReader(), 0
    ask(cluster, reader)
    while not reader.header["complete"]:
        answers += 1
        follow(cluster, reader)
    assert answers == 1
    assert len(reader.cells) == MILLION
    store = cluster.world.store
    for index in range(0, MILLION, 997):
        leaf = store.get_leaf(cluster.job_id, index // 250)
        assert leaf is not None
        assert reader.cells[index] == leaf.state(index % 250)


def test_a_time_limit_cuts_an_answer_that_the_next_one_continues(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cluster = big(40_000, random_leaf("ok"))
    ticks = iter(range(1_000))
    start = cluster.world.clock
    deps = replace(cluster.world.deps, now=lambda: start + grid.TIME_MAX * next(ticks))
    view = grid.open_grid(deps, ALICE, cluster.job_id, None)
    reader = GridReader().apply(grid.grid_body(deps, view))
    assert not reader.header["complete"]
    assert len(reader.cells) < 40_000
    assert follow(cluster, reader).header["complete"]
    assert len(reader.cells) == 40_000


def test_leaves_of_one_state_are_not_read() -> None:
    def one_mixed(number: int) -> Leaf:
        every = frozenset(range(LEAF_SIZE))
        return Leaf(ok=every - {7}, failed=frozenset({7})) if number == 70 else Leaf(ok=every)

    cluster = big(64_000, one_mixed, JobState.SUCCEEDED)
    store = cluster.world.store
    assert isinstance(store, CountingStore)
    reader = ask(cluster, GridReader())
    assert (store.leaf_reads, store.node_queries) == ([70], [])
    assert reader.counts() == {"SUCCEEDED": 63_999, "FAILED": 1}
    store.leaf_reads.clear()
    assert follow(cluster, reader).leaves == []
    assert store.leaf_reads == []


def test_of_many_busy_nodes_those_that_just_changed_are_followed_leaf_by_leaf() -> None:
    cluster = big(20 * 16_000, random_leaf("ok"))
    reader, store, deps = ask(cluster, GridReader()), cluster.world.store, cluster.world.deps

    def change(number: int, offset: int) -> None:
        adds: dict[SetName, frozenset[int]] = {"failed": frozenset({offset})}
        leaf = store.add_to_leaf(cluster.job_id, number, 1, adds, cluster.job.expires_at)
        assert leaf is not None
        node = put_leaves_in_node(deps, cluster.job, {number: leaf})
        put_node_in_root(deps, cluster.job, number // 64, node)

    change(65, 0)
    assert follow(cluster, reader).leaves == [*range(64, 128)], "its leaves' versions are not known"
    change(66, 0)
    change(1_200, 0)
    assert follow(cluster, reader).leaves == [66, 1_200]


def test_a_retry_that_is_begun_shows_in_the_changes() -> None:
    cluster = begun(Cluster(), retry={"max_attempts": 1})
    cluster.work(odd_fail)
    cluster.end()
    reader = ask(cluster, GridReader())
    again = cluster.retry(tasks="failed")
    again.begin()
    assert follow(again, reader).counts()["RETRYING"] == 127
    again.work(flaky)
    again.end()
    assert follow(again, reader).header["gen"] == 2
    assert reader.counts() == {"SUCCEEDED": 255}
