"""Back-off, the outbox, dead letters: when a task comes back, and what never does."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from orchestrator.model.states import Outcome, TaskState
from orchestrator.model.wire import (
    CompleteIn,
    TaskMessage,
)
from orchestrator.service.dead_letters import dead_letter
from orchestrator.service.report import complete
from orchestrator.service.retries import retry_outbox
from orchestrator.service.sweep import sweep
from tests.fakes.cluster import Cluster, report_of, succeed
from tests.unit.service.played import (
    claimed,
    counts,
    fail,
    reopened,
    row,
    started,
    task,
)

# ---- back-off


def sweep_until(cluster: Cluster, moment: datetime) -> None:
    """Sweep each minute, as the schedule does."""
    while cluster.world.clock < moment:
        cluster.world.wait(60)
        sweep(cluster.world.deps, lambda: 40.0)


@pytest.mark.parametrize("seconds", [901, 3_600, 36_000])
def test_a_back_off_longer_than_a_message_may_wait_holds_none(seconds: int) -> None:
    retry = {"initial_seconds": 3_600, "factor": 10, "max_seconds": seconds, "max_attempts": 9}
    cluster = started(2, retry=retry, tasks_per_message=1)
    failing, healthy = cluster.messages()
    cluster.report(healthy)
    cluster.world.jitter = 0.0
    cluster.report(failing, fail)
    (failing,) = cluster.messages()
    cluster.world.jitter = 1.0  # The longest wait that full jitter comes near to.
    cluster.report(failing, fail)
    due_at = cluster.world.clock + timedelta(seconds=seconds)
    assert (task(cluster).state, task(cluster).due_at) == (TaskState.RETRYING, due_at)
    sweep_until(cluster, due_at - timedelta(seconds=60))
    assert cluster.messages() == []
    assert counts(cluster).retrying == 1
    sweep_until(cluster, due_at + timedelta(minutes=3))
    (message,) = cluster.messages()
    assert (message.tasks(), message.attempt) == ([0], 3)
    assert not cluster.world.store.tables.outbox
    cluster.report(message)
    assert cluster.end() == "SUCCEEDED"


def test_a_retry_that_the_queue_does_not_take_is_sent_by_the_sweep() -> None:
    cluster = started(retry={"initial_seconds": 1})
    (message,) = cluster.messages()
    cluster.world.queue.failing = 1
    assert cluster.report(message, fail) == ["committed"]
    assert cluster.messages() == []
    assert cluster.world.store.tables.outbox
    sweep_until(cluster, cluster.world.clock + timedelta(minutes=4))
    (again,) = cluster.messages()
    assert (again.tasks(), again.attempt) == ([0], 2)
    assert not cluster.world.store.tables.outbox


@pytest.mark.parametrize("seconds", [0, 1, 900])
def test_a_back_off_that_a_message_may_wait_is_left_to_the_queue(seconds: int) -> None:
    retry = {"initial_seconds": seconds, "max_seconds": seconds}
    cluster = started(retry=retry)
    cluster.world.jitter = 1.0
    cluster.report(cluster.messages()[0], fail)
    (sent,) = cluster.world.queue.take()
    assert sent.delay_seconds == seconds
    assert not cluster.world.store.tables.outbox


@pytest.mark.parametrize("seconds", [60, 3_600])
def test_ten_thousand_tasks_that_fail_at_once_do_not_come_back_at_once(seconds: int) -> None:
    retry = {"initial_seconds": seconds, "max_seconds": seconds}
    cluster = started(10_000, retry=retry, max_running=10_000, tasks_per_message=25)
    world = cluster.world
    world.deps = replace(world.deps, random=random.Random(7).random)
    now = world.clock
    for message in cluster.messages():
        cluster.report(message, fail)
    rows = world.store.tables.tasks.values()
    waits = [(each.due_at - now).total_seconds() for each in rows if each.due_at is not None]
    assert len(waits) == 10_000
    assert len(world.queue.sent) == (10_000 if seconds <= 900 else waits_below(waits, 900))
    tenths = Counter(int(wait * 10 // seconds) for wait in waits)
    assert sorted(tenths) == list(range(10))
    # 1,000 expected in each; the standard deviation is 30.
    assert all(850 < number < 1_150 for number in tenths.values())


def waits_below(waits: list[float], limit: float) -> int:
    return sum(wait <= limit for wait in waits)


def test_no_attempt_is_promised_that_would_begin_after_the_deadline() -> None:
    cluster = started(deadline_seconds=100, retry={"initial_seconds": 200, "max_seconds": 200})
    cluster.world.jitter = 0.6
    cluster.report(cluster.messages()[0], fail)
    assert task(cluster).state == TaskState.FAILED
    assert not cluster.world.store.tables.outbox


# ---- the outbox


def waiting(count: int) -> Cluster:
    """Return a job whose tasks all wait for an attempt that is due in an hour."""
    cluster = started(count, retry={"initial_seconds": 3_600, "max_seconds": 3_600})
    cluster.world.jitter = 1.0
    for message in cluster.messages():
        cluster.world.wait(0.5)  # The root is pushed to twice a second.
        cluster.report(message, fail)
    assert counts(cluster).retrying == count
    return cluster


def test_one_bad_item_of_the_outbox_keeps_none_of_the_others_back() -> None:
    cluster = waiting(300)
    world, attempts = cluster.world, Counter[str]()
    bad = f'"job":"{cluster.job_id}","gen":1,"attempt":2,"start":137,'
    world.queue.refuses = lambda message: message.body.startswith("{" + bad)
    sweep_until(cluster, world.clock + timedelta(minutes=63))
    attempts.update(str(message.tasks()[0]) for message in cluster.messages())
    assert set(attempts) == {str(index) for index in range(300)} - {"137"}
    assert world.journal.counts["SweepSetAside"] >= 1
    world.queue.refuses = lambda _: False
    sweep_until(cluster, world.clock + timedelta(minutes=5))
    assert {message.tasks()[0] for message in cluster.messages()} == {137}
    assert not world.store.tables.outbox


def test_many_retries_of_one_job_cost_the_sweep_few_requests() -> None:
    cluster = waiting(500)
    reads = Counter[str]()
    for name in ("get_job", "get_tasks"):
        count_calls(cluster, name, reads)
    sweep_until(cluster, cluster.world.clock + timedelta(minutes=63))
    assert len(cluster.messages()) == 500
    assert reads["get_tasks"] <= 6


def count_calls(cluster: Cluster, name: str, calls: Counter[str]) -> None:
    method: Callable[..., Any] = getattr(cluster.world.store, name)

    def counted(*args: Any) -> Any:
        calls[name] += 1
        return method(*args)

    setattr(cluster.world.store, name, counted)


def test_an_outbox_item_of_a_report_that_was_repeated_sends_nothing_early() -> None:
    """The function died between the outbox and the row; the repeat drew a later time."""
    cluster = waiting(1)
    later = row(cluster)
    assert later.due_at is not None
    early = replace(later, due_at=cluster.world.clock)
    deps = cluster.world.deps
    job = cluster.world.store.get_job(cluster.job_id)
    assert job is not None
    cluster.world.store.put_outbox([retry_outbox(deps, job, early)])
    sweep_until(cluster, later.due_at - timedelta(seconds=60))
    assert cluster.messages() == []
    sweep_until(cluster, later.due_at + timedelta(minutes=3))
    assert len(cluster.messages()) == 1


# ---- dead letters


def dead(cluster: Cluster, message: TaskMessage, message_id: str) -> None:
    dead_letter(cluster.world.deps, message_id, message.model_dump_json(exclude_none=True))


def test_a_dead_letter_ends_failed_whatever_the_rules_say() -> None:
    rules = [{"outcome": "worker_lost", "action": "retry", "max_attempts": 20}]
    cluster = started(2, tasks_per_message=1, retry={"rules": rules})
    letter, healthy = cluster.messages()
    dead(cluster, letter, "m")
    ended = task(cluster)
    assert ended.error is not None
    assert (ended.state, ended.error.type) == (TaskState.FAILED, "DeadLetter")
    cluster.report(healthy)
    assert cluster.end() == "FAILED"


@pytest.mark.parametrize("case", ["failed task", "final job", "reopened job", "next attempt"])
def test_a_dead_letter_that_an_operator_redrives_is_harmless(case: str) -> None:
    """A redrive makes a new message of it: another id, received for the first time."""
    cluster = started(2, tasks_per_message=1, retry={"max_attempts": 2, "initial_seconds": 0})
    letter, other = cluster.messages()
    if case == "next attempt":
        cluster.report(letter, fail)
    else:
        dead(cluster, letter, "m")
    cluster.messages()
    if case in ("final job", "reopened job"):
        cluster.report(other)
        cluster.end()
    if case == "reopened job":
        cluster = reopened(cluster)
    before = everything(cluster)
    answers = {
        "failed task": "duplicate",
        "final job": "closed",
        "reopened job": "stale",
        "next attempt": "duplicate",
    }
    run_again = report_of(letter, 0, Outcome.SUCCEEDED, run="redriven")
    answer = complete(cluster.world.deps, CompleteIn(worker_id="w-9", reports=[run_again]))
    assert answer.reports == [answers[case]]
    for receive_count in (2, 3):
        assert claimed(cluster, letter, "redriven", receive_count) == "drop"
    dead(cluster, letter, "redriven")  # It may die again.
    assert everything(cluster) == before


def everything(cluster: Cluster) -> object:
    """Return what is stored of tasks, but for how often an unchanged leaf was written."""
    tables = cluster.world.store.tables
    leaves = {key: replace(leaf, ver=0) for key, leaf in tables.leaves.items()}
    return (dict(tables.tasks), leaves, dict(tables.outbox), counts(cluster).model_dump())


def test_an_unreadable_letter_is_kept_and_counted_each_time_it_dies() -> None:
    cluster = started()
    for message_id in ("first", "redriven"):
        dead_letter(cluster.world.deps, message_id, "{not a message}")
    kept = {key: body for key, body in cluster.world.results.bodies.items() if "dead" in key}
    assert kept == {
        "dead-letters/first": b"{not a message}",
        "dead-letters/redriven": b"{not a message}",
    }
    assert cluster.world.journal.counts["DeadLettersUnreadable"] == 2
    cluster.work(succeed)
    assert cluster.end() == "SUCCEEDED"
