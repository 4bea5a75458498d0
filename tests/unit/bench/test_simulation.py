"""The simulation of one large job: what it counts is what the product's writes come to."""

from __future__ import annotations

from collections import Counter

import pytest

from orchestrator.model.ids import LEAF_SIZE
from orchestrator.model.progress import unpack_leaf
from orchestrator.model.wire import REPORTS_MAX
from orchestrator.service.commit import ROOT_PUSH_INTERVAL
from orchestrator.store.codec import job_key, node_key
from tests.bench import simulation
from tests.bench.partitions import units
from tests.bench.simulation import Load, Simulation, first_hot, hottest

FEW = Load(workers=4, per_second=400, tasks=3_000, seconds=4)


@pytest.fixture(scope="module")
def played() -> Simulation:
    return Simulation(FEW).run()


def by_kind(simulation: Simulation) -> Counter[str]:
    kinds: Counter[str] = Counter()
    for (_, partition), number in simulation.store.writes.items():
        kinds[partition[0]] += number
    return kinds


def test_each_completion_writes_one_row(played: Simulation) -> None:
    assert played.completed == pytest.approx(FEW.per_second * FEW.seconds, rel=0.1)
    assert by_kind(played)["T"] == played.completed


def test_rows_are_counted_at_their_leaf(played: Simulation) -> None:
    rows: Counter[str] = Counter()
    for (_, partition), number in played.store.writes.items():
        rows[partition] += number if partition.startswith("T#") else 0
    assert max(rows.values()) == LEAF_SIZE


def test_leaves_are_counted_as_often_as_their_versions_say(played: Simulation) -> None:
    tables = played.store.tables
    assert by_kind(played)["L"] == sum(leaf.ver for leaf in tables.leaves.values())
    pushed = [unpack_leaf(n).ver for node in tables.nodes.values() for n in node.leaves.values()]
    assert by_kind(played)["L"] == sum(pushed)


def test_nodes_of_few_leaves_are_one_unit_a_write(played: Simulation) -> None:
    assert by_kind(played)["N"] == sum(node.ver for node in played.store.tables.nodes.values())
    assert {p for _, p in played.store.writes if p[0] == "N"} == {
        node_key(played.cluster.job_id, 0)[0]
    }


def test_root_is_pushed_at_the_throttle_s_pace_while_nothing_needs_it_sooner() -> None:
    steady = Simulation(Load(workers=50, per_second=500, tasks=20_000, seconds=10)).run()
    key = job_key(steady.cluster.job_id)
    pushes = sum(number for (at, p), number in steady.store.writes.items() if p == key and at >= 5)
    calls = sum(
        number for (at, p), number in steady.store.writes.items() if p[0] == "L" and at >= 5
    )
    assert 5 / ROOT_PUSH_INTERVAL.total_seconds() * 0.8 < pushes < calls / 4


def test_a_request_is_full_or_has_a_second_s_reports() -> None:
    assert Load(workers=1).batch == REPORTS_MAX
    assert Load(workers=1).period == pytest.approx(REPORTS_MAX / 5_000)
    assert Load(workers=1_000).batch == 6
    assert Load(workers=1_000).period == pytest.approx(1.2)


def test_the_hottest_partition_of_a_kind_is_the_one_with_most_units_in_the_time_looked_at() -> None:
    counts = Counter(
        {(0, "N#a"): 900, (1, "N#a"): 10, (1, "N#b"): 30, (2, "N#b"): 10, (1, "J#a"): 4}
    )
    assert hottest(counts, 1, 3) == {"N": ("N#b", 20.0), "J": ("J#a", 2.0)}


def test_the_first_hot_rate_lies_between_a_cool_one_and_a_hot_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With a limit that is low enough to be met: no key is hot at the real one."""
    monkeypatch.setattr(simulation, "WRITES_MAX", 260)
    load = Load(workers=1_500, tasks=100_000, seconds=6)
    found = first_hot(load, 100, 2_500, 1)
    assert found is not None
    assert 100 < found[0] <= 2_500
    assert first_hot(Load(workers=1, tasks=3_000, seconds=6), 100, 400, 2) is None


@pytest.mark.parametrize(("size", "expected"), [(1, 1), (1_024, 1), (1_025, 2)])
def test_a_write_unit_is_a_whole_kb(size: int, expected: int) -> None:
    assert units(size) == expected
