"""A crash between any two writes, then the promised repetition: nothing is lost, nothing counted twice."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from orchestrator.model.states import Outcome
from orchestrator.service.read import read_job
from orchestrator.service.sweep import sweep
from tests.fakes.cluster import ALICE, Cluster, Handler, succeed
from tests.fakes.world import World

CRASHES = 40


class Crashed(BaseException):
    """The process died."""


def crash_at(world: World, number: int, *, after: bool) -> None:
    """Let the process die at the given write, before or after it took effect."""
    left = [number]

    def hook(_: str) -> None:
        left[0] -= 1
        if left[0] < 0:
            disarm(world)
            raise Crashed

    if after:
        world.store.after_write = hook
    else:
        world.store.before_write = hook


def disarm(world: World) -> None:
    """Let no write crash any more."""
    world.store.after_write = world.store.before_write = lambda _: None


def survive(step: Callable[[], object]) -> None:
    """Run a step; where it dies, run it again."""
    try:
        step()
    except Crashed:
        step()


def flaky(index: int, attempt: int) -> Outcome:
    return Outcome.FAILED if attempt == 1 and index % 3 == 0 else Outcome.SUCCEEDED


def run_to_the_end(cluster: Cluster, handler: Handler) -> None:
    """Work, and let time and the sweep mend what a crash left."""
    for _ in range(6):
        cluster.work(handler)
        cluster.world.wait(200)
        sweep(cluster.world.deps, lambda: 40.0)
        cluster.work(handler)


def check(cluster: Cluster, total: int, state: str = "SUCCEEDED") -> None:
    """Hold sets, rows and totals to each other, and the outbox to nothing."""
    tables = cluster.world.store.tables
    job = read_job(cluster.world.deps, ALICE, cluster.job_id)
    assert job.state == state
    assert job.counts.succeeded == total
    rows = [row for (job_id, _), row in tables.tasks.items() if job_id == cluster.job_id]
    assert [row.state for row in rows] == ["SUCCEEDED"] * total
    assert sum(len(leaf.ok) for leaf in tables.leaves.values()) == total
    assert not tables.outbox


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("number", range(CRASHES))
def test_a_report_that_dies_anywhere_is_healed_by_its_repeat(number: int, after: bool) -> None:
    cluster = Cluster()
    cluster.submit(tasks={"count": 12}, tasks_per_message=12)
    cluster.begin()
    (message,) = cluster.messages()
    crash_at(cluster.world, number, after=after)
    survive(lambda: cluster.report(message, flaky))
    disarm(cluster.world)
    run_to_the_end(cluster, flaky)
    assert cluster.woken
    cluster.end()
    check(cluster, 12)


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("number", range(20))
def test_a_machine_that_dies_anywhere_before_it_waits_is_run_again(
    number: int, after: bool
) -> None:
    cluster = Cluster()
    cluster.submit(tasks={"count": 300})
    crash_at(cluster.world, number, after=after)
    survive(cluster.begin)
    disarm(cluster.world)
    run_to_the_end(cluster, succeed)
    assert cluster.woken
    cluster.end()
    check(cluster, 300)


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("number", range(16))
def test_an_end_that_dies_anywhere_is_run_again(number: int, after: bool) -> None:
    cluster = Cluster()
    cluster.submit(tasks={"count": 600})
    cluster.begin()
    cluster.work()

    def end() -> None:
        job = read_job(cluster.world.deps, ALICE, cluster.job_id)
        if not job.state.final:
            cluster.end()

    crash_at(cluster.world, number, after=after)
    survive(end)
    disarm(cluster.world)
    check(cluster, 600)


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("number", range(24))
def test_a_reopening_that_dies_anywhere_is_run_again(number: int, after: bool) -> None:
    cluster = Cluster()
    cluster.submit(tasks={"count": 10}, retry={"max_attempts": 1})
    cluster.begin()
    cluster.work(lambda index, attempt: Outcome.FAILED)
    assert cluster.end() == "FAILED"
    again = Cluster(world=cluster.world, job_id=cluster.job_id, gen=2)

    def retry_and_begin() -> None:
        cluster.retry("once")
        again.begin()

    crash_at(cluster.world, number, after=after)
    survive(retry_and_begin)
    disarm(cluster.world)
    run_to_the_end(again, succeed)
    assert again.woken
    again.end()
    check(again, 10)
