"""Lost workers, interruptions and stops: what costs a task nothing, and up to which bound."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.model.states import Outcome, StopReason, TaskState
from orchestrator.model.wire import (
    CompleteIn,
    Run,
    TaskMessage,
    Unstarted,
)
from orchestrator.policy import INTERRUPTIONS_MAX
from orchestrator.service.commit import stop_job
from orchestrator.service.report import complete
from tests.fakes.cluster import Cluster
from tests.unit.service.played import (
    claimed,
    counts,
    fail,
    reopened,
    row,
    runs_until_dropped,
    started,
    task,
)

# ---- lost workers


@pytest.mark.parametrize(
    ("retry", "runs"),
    [
        ({}, 3),
        ({"max_worker_losses": 1}, 1),
        ({"max_worker_losses": 7}, 7),
        ({"rules": [{"outcome": "worker_lost", "action": "fail"}]}, 1),
        ({"rules": [{"outcome": "worker_lost", "action": "retry", "max_attempts": 5}]}, 5),
        ({"rules": [{"action": "fail"}]}, 3),
        ({"max_attempts": 1, "max_timeouts": 1}, 3),
    ],
)
def test_a_task_that_takes_its_workers_down_ends_at_its_limit_and_the_job_goes_on(
    retry: dict[str, object], runs: int
) -> None:
    cluster = started(2, retry=retry, tasks_per_message=1)
    poison, healthy = cluster.messages()
    assert runs_until_dropped(cluster, poison) == runs
    ended = task(cluster)
    assert ended.error is not None
    assert (ended.state, ended.error.type) == (TaskState.FAILED, "WorkerLost")
    assert ended.attempts[-1].outcome == Outcome.WORKER_LOST
    assert f"{runs} worker" in ended.error.message
    cluster.report(healthy)
    assert cluster.end() == "FAILED"
    assert (counts(cluster).failed, counts(cluster).succeeded) == (1, 1)


def test_lost_workers_are_counted_over_all_attempts_and_cost_no_other_budget() -> None:
    cluster = started(retry={"max_attempts": 3, "initial_seconds": 0})
    (first,) = cluster.messages()
    assert claimed(cluster, first, "m1", 2) == Run(run=[0])
    cluster.report(first, fail)
    assert (row(cluster).budgets.infrastructure, row(cluster).budgets.user) == (1, 1)
    (second,) = cluster.messages()
    assert runs_until_dropped(cluster, second, "m2") == 2
    assert row(cluster).state is TaskState.FAILED
    assert (row(cluster).budgets.infrastructure, row(cluster).budgets.user) == (3, 1)


def test_a_reopened_task_begins_with_fresh_budgets() -> None:
    cluster = started(retry={"max_worker_losses": 2})
    (message,) = cluster.messages()
    assert runs_until_dropped(cluster, message) == 2
    cluster.end()
    again = reopened(cluster)
    (message,) = again.messages()
    assert claimed(again, message, "other", 2) == Run(run=[0])
    assert again.report(message) == ["committed"]
    assert again.end() == "SUCCEEDED"


def test_where_the_first_lost_worker_ends_a_task_messages_carry_one() -> None:
    rules = [{"outcome": "worker_lost", "action": "fail"}]
    cluster = started(50, retry={"rules": rules})
    assert {len(message.tasks()) for message in cluster.messages()} == {1}


# ---- interruptions


def returned(
    cluster: Cluster, message: TaskMessage, message_id: str, *, begun: bool, **changes: Any
) -> None:
    """Give a whole message back, as a worker does that is told to end."""
    fields: dict[str, Any] = {
        "job": message.job,
        "gen": message.gen,
        "attempt": message.attempt,
        "indexes": message.tasks(),
        "message_id": message_id,
        "receive_count": 1,
        "interrupted": message.tasks() if begun else [],
        "interruptions": message.interruptions,
    }
    item = Unstarted(**{**fields, **changes})
    answer = complete(cluster.world.deps, CompleteIn(worker_id="w-1", unstarted=[item]))
    assert answer.unstarted == {message_id: "given"}


def interruptions_until_the_end(cluster: Cluster, message: TaskMessage) -> int:
    for number in range(1, 1_000):
        returned(cluster, message, f"m{number}", begun=True)
        messages = cluster.messages()
        if not messages:
            return number
        (message,) = messages
        assert message.interruptions == number
    raise AssertionError("it goes round for ever")


@pytest.mark.parametrize(
    ("rules", "limit"),
    [
        ([], INTERRUPTIONS_MAX),
        ([{"action": "fail"}], INTERRUPTIONS_MAX),
        ([{"outcome": "worker_lost", "action": "fail"}], INTERRUPTIONS_MAX),
        ([{"outcome": "interrupted", "action": "fail"}], 1),
        ([{"outcome": "interrupted", "action": "retry", "max_attempts": 5}], 5),
    ],
)
def test_shutdowns_cost_the_user_nothing_but_are_bounded(
    rules: list[dict[str, object]], limit: int
) -> None:
    cluster = started(2, tasks_per_message=1, retry={"rules": rules, "max_attempts": 1})
    endless, healthy = cluster.messages()
    assert interruptions_until_the_end(cluster, endless) == limit
    ended = task(cluster)
    assert ended.error is not None
    assert (ended.state, ended.error.type) == (TaskState.FAILED, "Interrupted")
    assert ended.attempts[-1].outcome == Outcome.INTERRUPTED
    assert f"interrupted {limit} time" in ended.error.message
    assert row(cluster).budgets.failures == 0
    cluster.report(healthy)
    assert cluster.woken
    assert cluster.end() == "FAILED"


def test_an_interrupted_task_that_ends_at_last_has_its_whole_budget_left() -> None:
    cluster = started(retry={"max_attempts": 2, "initial_seconds": 0})
    (message,) = cluster.messages()
    for number in range(INTERRUPTIONS_MAX - 1):
        returned(cluster, message, f"m{number}", begun=True)
        (message,) = cluster.messages()
    cluster.report(message, fail)
    (again,) = cluster.messages()
    assert (again.attempt, again.interruptions) == (2, 0)
    assert cluster.report(again) == ["committed"]
    assert cluster.end() == "SUCCEEDED"


def test_what_had_not_begun_is_never_counted() -> None:
    cluster = started(3, tasks_per_message=3)
    (message,) = cluster.messages()
    for number in range(2 * INTERRUPTIONS_MAX):
        returned(cluster, message, f"m{number}", begun=False)
        (message,) = cluster.messages()
        assert (message.tasks(), message.interruptions) == ([0, 1, 2], 0)


@pytest.mark.parametrize("split", [False, True])
def test_of_a_message_only_the_task_that_had_begun_is_counted_and_it_travels_alone(
    split: bool,
) -> None:
    cluster = started(3, tasks_per_message=3)
    (message,) = cluster.messages()
    returned(cluster, message, "m", begun=False, interrupted=[1], split=split)
    seen = [(again.tasks(), again.interruptions) for again in cluster.messages()]
    rest = [([0], 0), ([2], 0)] if split else [([0, 2], 0)]
    assert seen == [([1], 1), *rest]


def test_at_the_limit_the_neighbours_go_on() -> None:
    rules = [{"outcome": "interrupted", "action": "fail"}]
    cluster = started(3, tasks_per_message=3, retry={"rules": rules})
    (message,) = cluster.messages()
    returned(cluster, message, "m", begun=False, interrupted=[1])
    (again,) = cluster.messages()
    assert again.tasks() == [0, 2]
    assert cluster.report(again) == ["committed"] * 2
    assert (counts(cluster).failed, counts(cluster).succeeded) == (1, 2)


def test_a_question_counts_no_start_however_often_it_is_asked() -> None:
    """A worker that is busy asks whether a single one need wait for it to be idle."""
    cluster = started()
    (message,) = cluster.messages()
    for receive_count in range(2, 20):
        assert claimed(cluster, message, "m", receive_count, begins=False) == Run(run=[0])
    assert cluster.world.store.tables.tasks == {}
    cluster.report(message)
    assert claimed(cluster, message, "m", 20, begins=False) == "drop"


def test_a_claim_whose_reply_was_lost_is_repeated_without_a_second_start() -> None:
    cluster = started(retry={"max_worker_losses": 2})
    (message,) = cluster.messages()
    for _ in range(10):
        assert claimed(cluster, message, "m", 2) == Run(run=[0])
    assert len(row(cluster).starts) == 1
    # Another receive, or another message, is another start: the second worker is lost too.
    assert claimed(cluster, message, "m", 3) == "drop"
    assert task(cluster).attempts[-1].outcome == Outcome.WORKER_LOST


@pytest.mark.parametrize("begun", [False, True])
def test_a_claim_is_undone_for_whatever_goes_back(begun: bool) -> None:
    cluster = started()
    (message,) = cluster.messages()
    for number in range(10):
        assert claimed(cluster, message, f"m{number}", 2) == Run(run=[0])
        returned(cluster, message, f"m{number}", begun=begun, receive_count=2)
        (message,) = cluster.messages()
    assert row(cluster).starts == frozenset()
    assert message.interruptions == (10 if begun else 0)


def test_a_give_back_that_is_repeated_ends_the_task_once() -> None:
    """Its answer may be lost after any of its writes."""
    rules = [{"outcome": "interrupted", "action": "fail"}]
    cluster = started(2, tasks_per_message=2, retry={"rules": rules})
    (message,) = cluster.messages()
    for _ in range(3):
        returned(cluster, message, "m", begun=False, interrupted=[0])
        assert [again.tasks() for again in cluster.messages()] == [[1]]
    assert len(task(cluster).attempts) == 1
    assert counts(cluster).failed == 1


def test_interruptions_of_an_attempt_that_was_reported_meanwhile_change_nothing() -> None:
    rules = [{"outcome": "interrupted", "action": "fail"}]
    cluster = started(retry={"rules": rules})
    (message,) = cluster.messages()
    cluster.report(message)
    returned(cluster, message, "m", begun=True)
    assert cluster.end() == "SUCCEEDED"


def test_messages_without_the_number_are_valid_and_name_it_only_where_there_is_one() -> None:
    cluster = started()
    (sent,) = cluster.world.queue.take()
    assert "interruptions" not in sent.body
    message = TaskMessage.model_validate_json(sent.body)
    assert message.interruptions == 0
    returned(cluster, message, "m", begun=True)
    (again,) = cluster.world.queue.take()
    assert '"interruptions":1' in again.body


# ---- handlers that were stopped


@pytest.mark.parametrize("reason", list(StopReason))
def test_a_handler_that_was_stopped_with_its_job_has_not_failed(reason: StopReason) -> None:
    cluster = started(3, tasks_per_message=1)
    first, second, _ = cluster.messages()
    stop_job(cluster.world.deps, cluster.job_id, 1, reason, "test")
    assert cluster.report(first, lambda *_: Outcome.CANCELLED) == ["closed"]
    assert cluster.report(second, fail) == ["committed"]
    cluster.end()
    seen = counts(cluster)
    cancelled, skipped = (3, 0) if reason is StopReason.CANCEL else (0, 3)
    assert (seen.failed, seen.cancelled, seen.skipped) == (0, cancelled, skipped)


def test_a_handler_that_says_so_of_a_job_that_goes_on_has_failed() -> None:
    cluster = started()
    (message,) = cluster.messages()
    assert cluster.report(message, lambda *_: Outcome.CANCELLED) == ["committed"]
    assert task(cluster).state == TaskState.FAILED
