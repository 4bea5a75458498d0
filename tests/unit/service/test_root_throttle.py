"""ROOT's throttle while the queue runs low: fewer pushes, and no job that stands still for it."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.model.wire import TaskMessage
from orchestrator.policy import WINDOW_MIN_TASKS
from orchestrator.service import commit
from orchestrator.service.commit import LARGE_WINDOW, ROOT_PUSH_LOW_INTERVAL
from tests.fakes.cluster import Cluster
from tests.unit.service.played import counts, fail, started

MOMENT = ROOT_PUSH_LOW_INTERVAL.total_seconds() / 10


def pushes(cluster: Cluster) -> int:
    return cluster.world.store.get_root(cluster.job_id).pushes


def low_queue(cap: int = LARGE_WINDOW, **fields: object) -> tuple[Cluster, list[TaskMessage]]:
    """Return a job of whose window one message was reported, so that it is known to be low, and the rest."""
    cluster = started(2 * cap, max_running=cap, tasks_per_message=1, **fields)
    first, *rest = cluster.messages()
    cluster.report(first)
    assert pushes(cluster) == 1
    assert cluster.world.enqueues
    return cluster, rest


def test_reports_wait_a_moment_where_root_says_already_that_the_queue_is_low() -> None:
    cluster, (first, second, *_) = low_queue()
    cluster.world.enqueues.clear()
    cluster.world.wait(MOMENT)
    cluster.report(first)
    assert (pushes(cluster), cluster.world.enqueues) == (1, [])
    cluster.world.wait(MOMENT * 10)
    cluster.report(second)
    assert (pushes(cluster), counts(cluster).succeeded) == (2, 3)


def test_of_few_tasks_each_is_told_at_once() -> None:
    cluster, rest = low_queue(LARGE_WINDOW - 1)
    for message in rest[:3]:
        cluster.report(message)
    assert counts(cluster).succeeded == 4


def test_a_report_that_finds_the_cursor_moved_does_not_wait() -> None:
    cluster, (first, *_) = low_queue()
    cluster.enqueue()
    cluster.world.wait(MOMENT)
    cluster.report(first)
    assert pushes(cluster) == 2


def test_failures_do_not_wait() -> None:
    cluster, (first, *_) = low_queue(retry={"max_attempts": 1})
    cluster.world.wait(MOMENT)
    cluster.report(first, fail)
    assert counts(cluster).failed == 1


def test_the_end_does_not_wait() -> None:
    cluster = started(8, max_running=8)
    for message in cluster.messages():
        cluster.world.wait(MOMENT)
        cluster.report(message)
    assert cluster.woken


@pytest.mark.parametrize("seconds", [0.0, MOMENT])
@pytest.mark.parametrize("cap", [1, 2, 3, 7, 50])
def test_no_job_stands_still_for_the_throttle_whatever_its_cap(cap: int, seconds: float) -> None:
    """Neither heartbeats nor the sweep help."""
    cluster = started(120, max_running=cap)
    run(cluster, [seconds])
    assert cluster.woken


@settings(max_examples=60)
@given(
    st.integers(1, 12),
    st.lists(st.sampled_from([0.0, MOMENT, MOMENT * 4, MOMENT * 11, 0.6]), min_size=1, max_size=9),
    st.integers(1, 6),
)
def test_no_order_of_reports_and_enqueuers_makes_a_job_stand_still(
    cap: int, pauses: list[float], late: int
) -> None:
    """The rule is taken for windows of any size, so that few tasks are enough."""
    cluster = started(60, max_running=cap)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(commit, "LARGE_WINDOW", 0)
        run(cluster, pauses, late)
    assert cluster.woken


def test_a_large_window_is_filled_on_while_reports_come_at_once() -> None:
    cluster = started(4 * WINDOW_MIN_TASKS, tasks_per_message=25)
    before = pushes(cluster)
    run(cluster, [MOMENT])
    assert cluster.woken
    assert pushes(cluster) - before < 4 * WINDOW_MIN_TASKS / 25


def run(cluster: Cluster, pauses: list[float], late: int = 1) -> None:
    """Report message by message with these pauses; an enqueuer starts only `late` reports after its call."""
    messages, number = cluster.messages(), 0
    waiting: list[int] = []
    while messages or waiting:
        if messages:
            cluster.world.wait(pauses[number % len(pauses)])
            cluster.report(messages.pop(0))
        number += 1
        waiting += [number + late for _ in cluster.world.enqueues]
        cluster.world.enqueues.clear()
        due = [at for at in waiting if at <= number]
        waiting = [at for at in waiting if at > number]
        for _ in due:
            cluster.enqueue()
        messages += cluster.messages()
