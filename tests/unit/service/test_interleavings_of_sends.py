"""Interleavings of enqueuers, retries, claims and the sweep: cursor and outbox (PROTOCOL, last table)."""

from __future__ import annotations

import pytest

from orchestrator.errors import SendFailed
from orchestrator.model.items import Outbox
from orchestrator.model.states import Outcome
from orchestrator.model.wire import CompleteIn, TaskMessage, Unstarted
from orchestrator.service.report import complete
from orchestrator.service.sweep import sweep
from tests.fakes.cluster import Cluster, report_of
from tests.unit.service.overtaking import dying, overtake
from tests.unit.service.played import cancel, claimed, counts, fail, row, started, sweep_after

NODE = 0


def messages_after_sweep(cluster: Cluster, seconds: float = 200) -> list[TaskMessage]:
    """Let the sweep send what is due; return what it sent."""
    sweep(cluster.world.deps, lambda: 40.0)
    sweep_after(cluster, seconds)
    return cluster.messages()


# ---- the cursor and the outbox


@pytest.mark.parametrize("write", ["update_job", "delete_outbox_item"])
def test_what_a_dying_enqueuer_has_not_sent_is_sent_by_the_sweep(write: str) -> None:
    cluster = started(20, max_running=2)
    sweep(cluster.world.deps, lambda: 40.0)
    for message in cluster.messages():
        cluster.report(message)
    with dying(cluster.world, write, after=write == "update_job"):
        cluster.enqueue()
    cluster.world.queue.take()
    assert [i for m in messages_after_sweep(cluster) for i in m.tasks()] == [2, 3]
    assert not cluster.world.store.tables.outbox


def test_an_enqueuer_that_dies_before_the_cursor_leaves_its_range_to_the_next() -> None:
    cluster = started(20, max_running=2)
    for message in cluster.messages():
        cluster.report(message)
    with dying(cluster.world, "update_job"):
        cluster.enqueue()
    assert messages_after_sweep(cluster) == []
    cluster.enqueue()
    assert [m.tasks() for m in cluster.messages()] == [[2], [3]]


def test_of_two_enqueuers_one_sends_and_the_outbox_of_the_winner_stays() -> None:
    cluster = started(20, max_running=2)
    sweep(cluster.world.deps, lambda: 40.0)
    for message in cluster.messages():
        cluster.report(message)

    def win_and_die() -> None:
        with dying(cluster.world, "update_job", after=True):
            cluster.enqueue()

    overtake(cluster.world, "update_job", win_and_die)
    cluster.enqueue()
    assert cluster.messages() == []
    assert [i for m in messages_after_sweep(cluster) for i in m.tasks()] == [2, 3]


def test_a_report_asks_for_no_more_where_an_enqueuer_was_there_meanwhile() -> None:
    cluster = started(20, max_running=2)
    first, second = cluster.messages()
    overtake(cluster.world, "push_node", cluster.enqueue, after=True)
    cluster.report(first)
    assert cluster.world.enqueues == []
    assert [message.tasks() for message in cluster.messages()] == [[2]]
    cluster.report(second)
    assert cluster.world.enqueues == [(cluster.job_id, 1)]


def test_ranges_that_begin_alike_are_two_items() -> None:
    cluster = started(20)
    store, job = cluster.world.store, cluster.job
    for stop in (4, 8):
        store.put_outbox([_range(cluster, 0, stop)])
    assert len(store.tables.outbox) == 2
    assert job.cursor == 20
    assert sorted({i for m in messages_after_sweep(cluster) for i in m.tasks()}) == [*range(20)]


def _range(cluster: Cluster, start: int, stop: int) -> Outbox:
    now = cluster.world.clock
    return Outbox(
        job_id=cluster.job_id,
        gen=1,
        kind="range",
        start=start,
        stop=stop,
        attempt=0,
        due_at=now,
        expires_at=now,
    )


def test_an_enqueuer_of_the_generation_before_moves_no_cursor() -> None:
    cluster = started(4, max_running=2, retry={"max_attempts": 1})
    for message in cluster.messages():
        cluster.report(message, fail)

    def end_and_retry() -> None:
        cancel(cluster)
        cluster.world.wait(60)
        assert cluster.end() == "CANCELLED"
        again = cluster.retry(indexes=[0, 1, 2, 3])
        again.begin()
        assert again.job.cursor == 2

    overtake(cluster.world, "update_job", end_and_retry)
    cluster.enqueue()
    assert cluster.job.cursor == 2


LONG = {"initial_seconds": 3_000, "max_seconds": 3_000}


def test_a_retry_that_is_due_of_a_cancelled_generation_is_not_sent() -> None:
    cluster = started(1, retry=LONG)
    sweep(cluster.world.deps, lambda: 40.0)
    cluster.report(cluster.messages()[0], fail)
    cancel(cluster)
    assert cluster.end() == "CANCELLED"
    again = cluster.retry(indexes=[0])
    again.begin()
    assert [m.attempt for m in again.messages()] == [3]
    assert messages_after_sweep(again, 3_200) == []
    assert not again.world.store.tables.outbox


def _second_run(cluster: Cluster, message: TaskMessage, jitter: float) -> None:
    """Another worker reports its run of the same tasks."""
    cluster.world.jitter = jitter
    reports = [report_of(message, i, Outcome.FAILED, run="other") for i in message.tasks()]
    complete(cluster.world.deps, CompleteIn(worker_id="w-2", reports=reports))


@pytest.mark.parametrize("jitter", [0.5, 0.501, 0.52, 0.9])
@pytest.mark.parametrize("late", [False, True])
def test_two_runs_of_a_failed_attempt_are_one_retry(jitter: float, late: bool) -> None:
    cluster = started(1, retry=LONG)
    sweep(cluster.world.deps, lambda: 40.0)
    (message,) = cluster.messages()
    if not late:
        overtake(cluster.world, "write_task", lambda: _second_run(cluster, message, jitter))
    cluster.report(message, fail)
    if late:
        _second_run(cluster, message, jitter)
    assert len(cluster.world.store.tables.outbox) == 1
    (again,) = messages_after_sweep(cluster, 3_200)
    assert (again.attempt, again.tasks()) == (2, [0])
    assert not cluster.world.store.tables.outbox


def test_a_report_that_died_before_its_send_is_repeated_with_the_row_s_time() -> None:
    cluster = started(1)
    (message,) = cluster.messages()
    with dying(cluster.world, "write_task", after=True):
        cluster.report(message, fail)
    due = row(cluster).due_at
    cluster.world.jitter = 0.9
    assert cluster.report(message, fail) == ["committed"]
    assert row(cluster).due_at == due
    assert [m.attempt for m in cluster.messages()] == [2]
    assert not cluster.world.store.tables.outbox


# ---- claims and give-backs


def test_a_redelivered_range_is_run_without_the_task_that_is_retried_already() -> None:
    cluster = started(3, tasks_per_message=3, retry=LONG)
    (message,) = cluster.messages()
    reports = [report_of(message, 1, Outcome.FAILED)]
    complete(cluster.world.deps, CompleteIn(worker_id="w-1", reports=reports))
    assert claimed(cluster, message, "m", 2) == "drop"
    assert [m.tasks() for m in cluster.messages()] == [[0], [2]]


def test_a_claim_heals_a_report_that_died_after_its_row_while_the_claim_was_on_its_way() -> None:
    cluster = started(1)
    (message,) = cluster.messages()

    def report_and_die() -> None:
        with dying(cluster.world, "add_to_leaf"):
            cluster.report(message)

    overtake(cluster.world, "add_start", report_and_die)
    assert claimed(cluster, message, "m", 2) == "drop"
    assert counts(cluster).succeeded == 1
    assert cluster.woken


@pytest.mark.parametrize("index", [0, 1])
def test_a_give_back_that_died_before_its_note_is_harmless(index: int) -> None:
    cluster = started(2, tasks_per_message=2)
    (message,) = cluster.messages()
    item = Unstarted(
        job=cluster.job_id,
        gen=1,
        attempt=1,
        indexes=[index],
        message_id="m",
        receive_count=1,
    )
    body = CompleteIn(worker_id="w-1", unstarted=[item])
    with dying(cluster.world, "add_given"):
        complete(cluster.world.deps, body)
    assert claimed(cluster, message, "m", 2) == "drop"
    assert len(cluster.work()) == 3
    assert counts(cluster).succeeded == 2
    assert cluster.woken


def test_a_failure_reaches_root_however_soon_after_another_push() -> None:
    cluster = started(20, retry={"max_attempts": 1}, tasks_per_message=1)
    first, second, third, *_ = cluster.messages()
    cluster.report(first)
    cluster.report(second)
    assert counts(cluster).succeeded == 1
    cluster.report(third, fail)
    assert (counts(cluster).succeeded, counts(cluster).failed) == (2, 1)


def test_what_the_queue_forgot_is_sent_again_but_nothing_beyond_the_cursor() -> None:
    cluster = started(20, max_running=3)
    cluster.messages()
    for _ in range(3):
        sweep_after(cluster, 6 * 86_400)
    sent = [i for message in cluster.messages() for i in message.tasks()]
    assert set(sent) == {0, 1, 2}
    assert cluster.job.cursor == 3


@pytest.mark.parametrize("write", ["add_to_leaf", "push_leaves", "push_node"])
def test_a_claim_heals_a_report_that_died_after_its_row(write: str) -> None:
    cluster = started(1)
    (message,) = cluster.messages()
    with dying(cluster.world, write):
        cluster.report(message)
    assert claimed(cluster, message, "m", 2) == "drop"
    assert counts(cluster).succeeded == 1
    assert cluster.woken


def test_a_split_that_could_not_be_sent_leaves_the_message_its_tasks() -> None:
    cluster = started(3, tasks_per_message=3)
    (message,) = cluster.messages()
    cluster.world.queue.failing = 1
    with pytest.raises(SendFailed):
        claimed(cluster, message, "m", 2)
    assert claimed(cluster, message, "m", 3) == "drop"
    assert [m.tasks() for m in cluster.messages()] == [[0], [1], [2]]
