"""The series of a job and the durations of its tasks."""

from __future__ import annotations

import random
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.errors import InvalidField, NotFound
from orchestrator.model.items import Role, TaskRow
from orchestrator.model.series import FIRST_SECONDS, bucket_of
from orchestrator.model.states import Outcome
from orchestrator.model.wire import CompleteIn, Report
from orchestrator.service.access import Caller
from orchestrator.service.durations import LEAVES_SAMPLED, quantile, spread
from orchestrator.service.report import complete
from orchestrator.service.series import SeriesOut, job_series
from tests.fakes.cluster import ALICE, Cluster, report_of
from tests.fakes.lives import LIVES, begun, cancel, failing, flaky, odd_fail
from tests.fakes.store import MemoryStore
from tests.fakes.world import World

DAY = 86_400


@given(st.integers(0, 100 * DAY), st.integers(0, 100 * DAY))
def test_buckets_are_in_order_and_hold_their_age(one: int, other: int) -> None:
    assert bucket_of(one) <= one < bucket_of(one) + max(FIRST_SECONDS, one * 0.1)
    if one <= other:
        assert bucket_of(one) <= bucket_of(other)


@pytest.mark.parametrize(("days", "most"), [(0.01, 100), (1, 215), (10, 290), (90, 360)])
def test_a_long_job_has_few_points(days: float, most: int) -> None:
    seconds = int(days * DAY)
    # Buckets begin at multiples of five seconds.
    assert len({bucket_of(second) for second in range(0, seconds, 5)}) <= most


def series(cluster: Cluster, gen: int | None = None) -> SeriesOut:
    return job_series(cluster.world.deps, ALICE, cluster.job_id, gen)


def ended(found: SeriesOut) -> list[int]:
    return [p.succeeded + p.failed + p.cancelled + p.skipped for p in found.points]


@pytest.mark.parametrize("life", LIVES, ids=lambda life: life.__name__)
def test_points_are_in_order_and_each_adds_up_to_the_total(life: object) -> None:
    cluster = life(Cluster())  # type: ignore[operator]
    for gen in range(1, cluster.job.gen + 1):
        found = series(cluster, gen)
        assert [p.at for p in found.points] == sorted({p.at for p in found.points})
        assert ended(found) == sorted(ended(found))
        for p in found.points:
            assert p.pending + p.running + p.retrying + ended(found)[found.points.index(p)] == 255
    last = series(cluster)
    assert last.gen == cluster.job.gen
    assert last.finished_at == cluster.job.finished_at == last.points[-1].at
    assert ended(last)[-1] == 255


def test_a_job_writes_a_point_each_five_seconds_at_most() -> None:
    cluster = begun(Cluster(), tasks={"count": 1_000}, tasks_per_message=5)
    cluster.work()
    cluster.end()
    found, world = series(cluster), cluster.world
    # 200 messages, one a second, each pushed into the root; one point begins at 200, one is the end's.
    assert len(world.store.points) == 20 + 20 + 1 + 1
    assert {p.per_second for p in found.points[2:-1]} == {5.0}
    assert found.points[0].elapsed_seconds == 0.0
    assert (found.points[0].pending, found.points[0].succeeded) == (1_000, 0)
    assert found.points[-1].succeeded == 1_000


def test_a_repeated_report_adds_nothing_to_the_series() -> None:
    cluster = begun(Cluster(), tasks={"count": 10}, tasks_per_message=5)
    first, _second = cluster.messages()
    for _ in range(5):
        cluster.world.wait(10)
        cluster.report(first)
    assert set(ended(series(cluster))) == {0, 5}


def test_a_running_job_ends_with_what_is_known_now() -> None:
    cluster = begun(Cluster(), tasks={"count": 30}, tasks_per_message=5)
    first, second, *_ = cluster.messages()
    cluster.world.wait(1)
    cluster.report(first)
    cluster.world.wait(1)
    cluster.report(second)
    found = series(cluster)
    assert ended(found) == [0, 5, 10]
    assert [p.elapsed_seconds for p in found.points] == [0.0, 1.0, 2.0]
    assert found.finished_at is None


def test_a_job_that_was_never_started_has_no_points() -> None:
    cluster = Cluster()
    cluster.submit()
    found = series(cluster)
    assert (found.points, found.durations, found.started_at) == ([], None, None)


def test_generations_are_kept_apart() -> None:
    cluster = failing(Cluster())
    first, second = series(cluster, 1), series(cluster, 2)
    assert (first.points[-1].failed, second.points[-1].failed) == (127, 0)
    assert first.finished_at is not None
    assert second.started_at is not None
    assert first.finished_at <= second.started_at
    with pytest.raises(InvalidField, match="at most 2"):
        series(cluster, 3)
    with pytest.raises(NotFound):
        job_series(cluster.world.deps, Caller("other", Role.ADMIN, "eve"), cluster.job_id, None)


def test_a_stopped_job_s_last_point_tells_how_it_ended() -> None:
    cluster = begun(Cluster())
    cluster.report(cluster.messages()[0], flaky)
    cancel(cluster)
    cluster.end()
    last = series(cluster).points[-1]
    assert (last.succeeded, last.cancelled) == (16, 239)


def timed(durations: list[int], fail: int = 0) -> Cluster:
    """Return a job whose tasks took these times; the first `fail` of them failed."""
    cluster = begun(Cluster(), tasks={"count": len(durations)}, retry={"max_attempts": 1})
    for message in cluster.messages():
        reports = [
            report_of(message, i, Outcome.FAILED if i < fail else Outcome.SUCCEEDED).model_copy(
                update={"duration_ms": durations[i]}
            )
            for i in message.tasks()
        ]
        valid = [Report.model_validate(r.model_dump()) for r in reports]
        complete(cluster.world.deps, CompleteIn(worker_id="w-1", reports=valid))
    return cluster


def test_durations_are_counted_in_bins_by_how_tasks_ended() -> None:
    found = series(timed([3, 4, 7, 9, 60, 0], fail=2)).durations
    assert found is not None
    bins = [(b.from_ms, b.to_ms, b.succeeded, b.failed) for b in found.bins]
    assert bins == [
        (0, 1, 1, 0), (1, 2, 0, 0), (2, 5, 0, 2), (5, 10, 2, 0), (10, 20, 0, 0), (20, 50, 0, 0),
        (50, 100, 1, 0),
    ]  # fmt: skip
    assert (found.basis, found.sampled, found.ended) == ("all", 6, 6)
    assert (found.min_ms, found.p50_ms, found.p90_ms, found.max_ms) == (0, 4, 60, 60)
    assert found.mean_ms == 13.8


def test_a_task_that_ran_for_a_day_is_in_the_last_bin() -> None:
    found = series(timed([DAY * 1_000])).durations
    assert found is not None
    (last,) = found.bins
    assert (last.from_ms, last.to_ms, last.succeeded) == (50_000_000, None, 1)


class CountingStore(MemoryStore):
    """A store that counts reads of rows."""

    def __init__(self) -> None:
        super().__init__()
        self.leaves_read: list[int] = []

    def get_leaf_tasks(self, job_id: str, leaf: int) -> dict[int, TaskRow]:
        self.leaves_read.append(leaf)
        return super().get_leaf_tasks(job_id, leaf)


def test_of_a_large_job_a_few_leaves_are_read_and_the_answer_says_so() -> None:
    store = CountingStore()
    cluster = begun(Cluster(world=World(store)), tasks={"count": 20_000}, max_running=20_000)
    cluster.work()
    found = series(cluster).durations
    assert found is not None
    assert (found.basis, found.sampled, found.ended) == ("sample", LEAVES_SAMPLED * 250, 20_000)
    assert len(store.leaves_read) == LEAVES_SAMPLED
    assert max(store.leaves_read) > 60
    cluster.end()
    store.leaves_read.clear()
    again = [series(cluster).durations for _ in range(3)]
    assert len(store.leaves_read) == LEAVES_SAMPLED, "a final job's are read once a process"
    assert again[0] == again[2]


@given(st.lists(st.integers(), max_size=50), st.integers(1, 8))
def test_a_spread_is_of_the_items_in_order(items: list[int], count: int) -> None:
    unique = list(dict.fromkeys(items))
    found = spread(unique, count)
    assert len(found) == min(count, len(unique))
    assert [item for item in unique if item in found] == list(found)


@given(st.lists(st.integers(0, 1_000), min_size=1), st.sampled_from([0.5, 0.9, 0.99, 1.0]))
def test_a_quantile_is_the_nearest_rank(values: list[int], share: float) -> None:
    ascending = sorted(values)
    found = quantile(ascending, share)
    below = sum(value <= found for value in ascending)
    assert below >= share * len(ascending) - 1e-9
    smaller = [value for value in ascending if value < found]
    assert len(smaller) < share * len(ascending)


def test_randomly_late_writers_never_make_the_series_fall() -> None:
    cluster = begun(Cluster(), tasks={"count": 500}, tasks_per_message=5)
    messages = cluster.messages()
    random.Random(3).shuffle(messages)
    for number, message in enumerate(messages):
        cluster.world.clock += timedelta(seconds=2 if number % 3 else 0)
        cluster.report(message, odd_fail)
    found = series(cluster)
    assert ended(found) == sorted(ended(found))
