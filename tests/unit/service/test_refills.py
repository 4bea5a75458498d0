"""Who asks for an enqueuer, and how many are asked for: one at a time, and none too few."""

from __future__ import annotations

import pytest

from orchestrator.model.wire import HeartbeatIn
from orchestrator.service.beat import heartbeat
from orchestrator.service.commit import ASK_TIMEOUT, LARGE_WINDOW, ROOT_PUSH_LOW_INTERVAL
from orchestrator.service.enqueue import STEP_TASKS, STOP_SECONDS, enqueue_tasks
from orchestrator.service.ports import JobGuard
from tests.fakes.cluster import Cluster
from tests.unit.service.overtaking import overtake
from tests.unit.service.played import started, sweep_after

PUSHED = ROOT_PUSH_LOW_INTERVAL.total_seconds()
CAP = 2 * STEP_TASKS
"""A window of its own size, that an enqueuer fills by two steps."""


def low(cap: int = LARGE_WINDOW) -> Cluster:
    """Return a job with free places in its window, for which nobody was asked yet."""
    cluster = started(4 * cap, max_running=cap, tasks_per_message=1)
    assert not cluster.world.enqueues
    return cluster


def report(cluster: Cluster, number: int) -> int:
    """Report so many messages, each of which pushes ROOT; return how many enqueuers were asked for."""
    before = len(cluster.world.enqueues)
    messages = cluster.messages()
    for message in messages[:number]:
        cluster.world.wait(PUSHED)
        cluster.report(message)
    return len(cluster.world.enqueues) - before


def beat(cluster: Cluster) -> int:
    """Have a heartbeat tell what the throttle held back; return how many enqueuers were asked for."""
    before = len(cluster.world.enqueues)
    body = HeartbeatIn(version="1", slots=1, handlers=["echo"], touched={cluster.job_id: [0]})
    heartbeat(cluster.world.deps, "w-1", body)
    return len(cluster.world.enqueues) - before


def enqueue_one_step(cluster: Cluster) -> None:
    left = iter([STOP_SECONDS + 1, 0.0])
    enqueue_tasks(
        cluster.world.deps, cluster.job_id, 1, seconds_left=lambda: next(left), in_machine=False
    )


def test_while_an_enqueuer_starts_no_report_asks_for_another() -> None:
    assert report(low(), 20) == 1


def test_where_it_does_not_come_reports_ask_again() -> None:
    cluster = low()
    first, second, *_ = cluster.messages()
    cluster.report(first)
    cluster.world.wait(ASK_TIMEOUT.total_seconds())
    cluster.report(second)
    assert len(cluster.world.enqueues) == 2


def test_where_it_does_not_come_and_no_report_does_a_heartbeat_asks_again() -> None:
    cluster = started(4 * LARGE_WINDOW, max_running=LARGE_WINDOW, tasks_per_message=25)
    for message in cluster.messages():
        cluster.world.wait(PUSHED)
        cluster.report(message)
    cluster.world.enqueues.clear()
    cluster.world.wait(15)
    assert beat(cluster) == 1


def test_where_all_of_them_are_lost_the_sweep_asks() -> None:
    cluster = low()
    report(cluster, LARGE_WINDOW)
    cluster.world.enqueues.clear()
    sweep_after(cluster, 600)
    assert cluster.world.enqueues


def test_once_it_has_sent_reports_ask_anew() -> None:
    cluster = low()
    messages = cluster.messages()
    for message in messages[:2]:
        cluster.report(message)
    cluster.enqueue()
    cluster.world.wait(PUSHED)
    cluster.report(messages[2])
    assert len(cluster.world.enqueues) == 2


def test_between_the_steps_of_one_enqueuer_no_report_asks_for_another() -> None:
    cluster = low(CAP)
    for message in cluster.messages():
        cluster.report(message)
    beat(cluster)
    cluster.world.enqueues.clear()
    enqueue_one_step(cluster)
    assert report(cluster, 2) == 0
    cluster.world.wait(ASK_TIMEOUT.total_seconds())
    assert beat(cluster) == 1, "it died between them"


def test_one_that_finds_nothing_to_send_lets_reports_ask_anew() -> None:
    cluster = low()
    deps, job = cluster.world.deps, cluster.job
    deps.store.update_job(job.job_id, JobGuard(), asked_until=deps.now() + ASK_TIMEOUT)
    cluster.enqueue()
    assert cluster.job.cursor == job.cursor
    assert report(cluster, 1) == 1


def test_of_reports_that_ask_at_once_one_is_heard() -> None:
    cluster = low()
    first, second, *_ = cluster.messages()
    cluster.report(first)
    cluster.world.enqueues.clear()
    cluster.world.wait(ASK_TIMEOUT.total_seconds())
    overtake(cluster.world, "update_job", lambda: cluster.report(second))
    beat(cluster)
    assert len(cluster.world.enqueues) == 1


def test_a_report_that_an_enqueuer_overtakes_asks_for_none() -> None:
    cluster = low()
    first, *_ = cluster.messages()
    overtake(cluster.world, "update_job", cluster.enqueue)
    cluster.report(first)
    assert not cluster.world.enqueues


@pytest.mark.parametrize("cap", [1, 4, LARGE_WINDOW - 1])
def test_each_free_place_among_few_is_asked_for(cap: int) -> None:
    """The enqueuer that was asked for before may have read ROOT before this place was free."""
    number = min(cap, 20)
    assert report(low(cap), number) == number
