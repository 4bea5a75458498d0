"""Interleavings that the protocol survives: late reports, redeliveries, dead executions, dead letters."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.model.progress import Root
from orchestrator.model.states import JobState, Outcome
from orchestrator.model.wire import (
    CompleteIn,
    HeartbeatIn,
    Run,
    RunningTask,
    Unstarted,
)
from orchestrator.service.beat import heartbeat
from orchestrator.service.control import cancel_job
from orchestrator.service.dead_letters import dead_letter
from orchestrator.service.monitor import monitor_job
from orchestrator.service.read import read_job, read_task
from orchestrator.service.report import complete
from orchestrator.service.sweep import execution_ended, sweep
from tests.fakes.cluster import ALICE, Cluster, Handler, report_of, succeed
from tests.unit.service.played import claimed, counts, fail, row


def started(**fields: object) -> Cluster:
    cluster = Cluster()
    cluster.submit(**fields)
    cluster.begin()
    return cluster


def reopened(cluster: Cluster) -> Cluster:
    """End a job whose tasks failed, retry it, and start its second generation."""
    cluster.end()
    again = cluster.retry()
    again.begin()
    return again


def test_a_report_of_an_older_generation_is_stale_and_changes_nothing() -> None:
    cluster = started(tasks={"count": 4}, retry={"max_attempts": 1})
    messages = cluster.messages()
    for message in messages:
        cluster.report(message, fail)
    again = reopened(cluster)
    before = read_job(again.world.deps, ALICE, again.job_id).counts
    for message in messages:
        assert set(again.report(message)) == {"stale"}
    assert read_job(again.world.deps, ALICE, again.job_id).counts == before


@pytest.mark.parametrize("attempt", [1, 4, 5])
@pytest.mark.parametrize("outcome", [succeed, fail])
def test_a_report_of_an_attempt_before_the_last_or_after_the_promised_one_is_stale(
    outcome: Handler, attempt: int
) -> None:
    """The row promises the third attempt and tells of the second, which a repeated report would match."""
    cluster = started(tasks={"count": 1}, retry={"max_attempts": 9})
    (message,) = cluster.messages()
    for _ in range(2):
        cluster.report(message, fail)
        (message,) = cluster.messages()
    before = row(cluster)
    assert before.attempt == message.attempt == 3
    other = message.model_copy(update={"attempt": attempt})
    assert cluster.report(other, outcome) == ["stale"]
    assert (row(cluster), counts(cluster).retrying) == (before, 1)


@pytest.mark.parametrize("attempt", [2, 3])
def test_a_report_of_an_attempt_that_was_never_promised_is_stale(attempt: int) -> None:
    cluster = started()
    message = cluster.messages()[0].model_copy(update={"attempt": attempt})
    assert set(cluster.report(message)) == {"stale"}
    assert not cluster.world.store.tables.tasks


def test_the_loser_of_two_runs_of_one_attempt_leaves_no_trace() -> None:
    cluster = started(tasks={"count": 1})
    (message,) = cluster.messages()
    cluster.report(message)
    other = report_of(message, 0, Outcome.FAILED, run="other")
    answer = complete(cluster.world.deps, CompleteIn(worker_id="w-2", reports=[other]))
    assert answer.reports == ["duplicate"]
    assert read_task(cluster.world.deps, ALICE, f"{cluster.job_id}-0").worker == "w-1"
    assert cluster.end() == "SUCCEEDED"


def test_the_monitor_of_a_dead_execution_does_not_take_the_token_over() -> None:
    cluster = started()
    execution_ended(cluster.world.deps, cluster.job_id, 1, 1, "ABORTED")
    assert cluster.job.exec == 2
    second = Cluster(world=cluster.world, job_id=cluster.job_id, exec=2)
    monitor_job(cluster.world.deps, cluster.job_id, 1, 2, second.token)
    late = "late-token"
    monitor_job(cluster.world.deps, cluster.job_id, 1, 1, late)
    assert cluster.job.token == second.token
    assert cluster.world.machine.outputs[late]["superseded"] is True


def test_a_report_that_stalled_does_not_wake_the_next_generation() -> None:
    cluster = started(tasks={"count": 2}, retry={"max_attempts": 1})
    messages = cluster.messages()
    for message in messages:
        cluster.report(message, fail)
    again = reopened(cluster)
    for message in messages:
        again.report(message, fail)
    assert not again.woken


def test_cancel_between_enqueue_and_monitor_wakes_the_machine() -> None:
    cluster = started()
    cancel_job(cluster.world.deps, ALICE, cluster.job_id)
    other = "token-of-a-second-monitor"
    monitor_job(cluster.world.deps, cluster.job_id, 1, 1, other)
    assert cluster.world.machine.outputs[other]["stopping"] is True


def test_a_redelivered_range_becomes_single_tasks_once() -> None:
    cluster = started(tasks={"count": 5}, tasks_per_message=5)
    (message,) = cluster.messages()
    reports = [report_of(message, 0, Outcome.SUCCEEDED)]
    complete(cluster.world.deps, CompleteIn(worker_id="w-1", reports=reports))
    assert claimed(cluster, message, "m", 2) == "drop"
    assert [m.tasks() for m in cluster.messages()] == [[1], [2], [3], [4]]
    assert claimed(cluster, message, "m", 3) == "drop"
    assert cluster.messages() == []


def test_a_task_that_takes_every_worker_down_fails_alone() -> None:
    cluster = started(tasks={"count": 2}, tasks_per_message=1)
    poison, healthy = cluster.messages()
    cluster.report(healthy)
    verdicts = [claimed(cluster, poison, "m", count) for count in (2, 2, 3, 4)]
    assert verdicts == [Run(run=[0]), Run(run=[0]), Run(run=[0]), "drop"]
    task = read_task(cluster.world.deps, ALICE, f"{cluster.job_id}-0")
    assert (task.state, task.attempts[0].outcome) == ("FAILED", "worker_lost")
    assert cluster.woken


def test_a_drain_refunds_the_start_of_what_it_interrupts() -> None:
    cluster = started(tasks={"count": 1})
    (message,) = cluster.messages()
    for number in range(10):
        assert claimed(cluster, message, f"m{number}", 2) == Run(run=[0])
        item = Unstarted(
            job=cluster.job_id,
            gen=1,
            attempt=1,
            indexes=[0],
            message_id=f"m{number}",
            receive_count=2,
            interrupted=[0],
        )
        complete(cluster.world.deps, CompleteIn(worker_id="w-1", unstarted=[item]))
        (message,) = cluster.messages()
    assert cluster.world.store.tables.tasks[cluster.job_id, 0].starts == frozenset()


def test_what_was_given_back_is_not_failed_with_its_old_message() -> None:
    cluster = started(tasks={"count": 2}, tasks_per_message=2)
    (message,) = cluster.messages()
    item = Unstarted(
        job=cluster.job_id,
        gen=1,
        attempt=1,
        indexes=[1],
        message_id="m",
        receive_count=1,
    )
    answer = complete(cluster.world.deps, CompleteIn(worker_id="w-1", unstarted=[item]))
    assert answer.unstarted == {"m": "given"}
    dead_letter(cluster.world.deps, "m", message.model_dump_json(exclude_none=True))
    counts = read_job(cluster.world.deps, ALICE, cluster.job_id).counts
    assert (counts.failed, counts.pending) == (1, 1)


def test_a_give_back_that_cannot_be_sent_is_told_so() -> None:
    cluster = started(tasks={"count": 1})
    cluster.world.queue.failing = 1
    item = Unstarted(
        job=cluster.job_id, gen=1, attempt=1, indexes=[0], message_id="m", receive_count=1
    )
    answer = complete(cluster.world.deps, CompleteIn(worker_id="w-1", unstarted=[item]))
    assert answer.unstarted == {"m": "failed"}
    assert not cluster.world.store.tables.given


def test_the_sweep_starts_a_job_that_never_was() -> None:
    cluster = Cluster()
    cluster.submit()
    cluster.world.machine.executions.clear()
    cluster.world.wait(61)
    sweep(cluster.world.deps, lambda: 40.0)
    assert (cluster.job_id, 1, 1) in cluster.world.machine.executions


def test_an_orchestration_that_keeps_dying_is_stopped_and_still_finished() -> None:
    cluster = started()
    for number in range(1, 8):
        execution_ended(cluster.world.deps, cluster.job_id, 1, number, "FAILED")
    job = cluster.job
    assert (job.state, job.exec) == (JobState.STOPPING, 8)
    assert cluster.end() == "FAILED"
    counts = read_job(cluster.world.deps, ALICE, cluster.job_id).counts
    assert counts.skipped == 10


def test_the_sweep_stops_a_job_at_its_deadline() -> None:
    cluster = started(deadline_seconds=100)
    cluster.world.wait(101)
    sweep(cluster.world.deps, lambda: 40.0)
    assert cluster.job.state is JobState.STOPPING
    assert cluster.end() == "FAILED"


def test_too_many_failures_stop_a_job_that_says_so() -> None:
    cluster = started(
        tasks={"count": 100},
        retry={"max_attempts": 1},
        tolerated_failures={"count": 2, "when_exceeded": "stop"},
    )
    cluster.report(cluster.messages()[0], fail)
    assert cluster.job.state is JobState.STOPPING
    assert cluster.woken


def test_the_sweep_pushes_what_a_dead_worker_s_report_left_in_its_node() -> None:
    cluster = started(tasks={"count": 5}, tasks_per_message=5)
    (message,) = cluster.messages()
    push, stuck = cluster.world.store.push_node, [True]

    def push_node(*args: Any) -> Root:
        if stuck.pop() if stuck else False:
            raise ConnectionError("the function died before ROOT")
        return push(*args)

    cluster.world.store.push_node = push_node  # type: ignore[method-assign, assignment]
    with pytest.raises(ConnectionError):
        cluster.report(message)
    for _ in range(2):
        cluster.world.wait(301)
        sweep(cluster.world.deps, lambda: 40.0)
    assert cluster.woken
    assert cluster.end() == "SUCCEEDED"


def test_one_bad_job_does_not_stop_the_sweep() -> None:
    cluster = Cluster()
    bad, good = cluster.submit().job_id, cluster.submit().job_id
    cluster.world.machine.executions.clear()
    ask = cluster.world.machine.status

    def status(job_id: str, gen: int, exec: int) -> str | None:
        if job_id == bad:
            raise ConnectionError("this one always fails")
        return ask(job_id, gen, exec)

    cluster.world.machine.status = status  # type: ignore[method-assign]
    cluster.world.wait(61)
    sweep(cluster.world.deps, lambda: 40.0)
    assert (good, 1, 1) in cluster.world.machine.executions
    assert cluster.world.journal.counts["SweepSetAside"] == 1


def test_a_job_of_one_task_at_a_time_never_waits_for_the_throttle() -> None:
    cluster = started(tasks={"count": 20}, max_running=1)
    for _ in range(20):
        (message,) = cluster.messages()
        assert len(message.tasks()) == 1
        cluster.report(message)
        if cluster.world.enqueues:
            cluster.world.enqueues.clear()
            cluster.enqueue()
    assert cluster.woken
    assert cluster.end() == "SUCCEEDED"


def test_running_is_what_live_workers_say() -> None:
    cluster = started(tasks={"count": 3})
    task = RunningTask(job=cluster.job_id, index=1, attempt=1, since_ms=10)
    beat = HeartbeatIn(version="1", slots=2, handlers=["echo"], running=[task])
    heartbeat(cluster.world.deps, "w-1", beat)
    counts = read_job(cluster.world.deps, ALICE, cluster.job_id).counts
    assert (counts.running, counts.pending) == (1, 2)
    cluster.world.wait(46)
    counts = read_job(cluster.world.deps, ALICE, cluster.job_id).counts
    assert (counts.running, counts.pending) == (0, 3)


def test_a_heartbeat_tells_of_cancel_and_pushes_what_the_throttle_held_back() -> None:
    cluster = started(tasks={"count": 20})
    first, second, *_ = cluster.messages()
    cluster.report(first)
    cluster.report(second)
    assert read_job(cluster.world.deps, ALICE, cluster.job_id).counts.succeeded == 5
    beat = HeartbeatIn(version="1", slots=2, handlers=["echo"], touched={cluster.job_id: [0]})
    cancel_job(cluster.world.deps, ALICE, cluster.job_id)
    answer = heartbeat(cluster.world.deps, "w-1", beat)
    assert answer.jobs[cluster.job_id].state is JobState.STOPPING
    assert read_job(cluster.world.deps, ALICE, cluster.job_id).counts.succeeded == 10
