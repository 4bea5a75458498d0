"""Decisions: retry or fail, back-off, windows, and how a job ends."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.model.items import Budgets
from orchestrator.model.progress import Tally
from orchestrator.model.states import JobEvent, Outcome, StopReason
from orchestrator.model.wire import TaskError
from orchestrator.policy import (
    Finish,
    Policy,
    Retry,
    RetryRule,
    Tolerance,
    TryAgain,
    backoff,
    how_it_ends,
    judge,
    tasks_per_message,
    wants_refill,
    window_tasks,
)

NOW = datetime(2026, 1, 1, tzinfo=UTC)
BOOM = TaskError(type="Boom", message="connection reset by peer", exit_code=3)


def verdict(
    policy: Policy,
    outcome: Outcome,
    error: TaskError | None = BOOM,
    budgets: Budgets | None = None,
    deadline_at: datetime | None = None,
) -> Finish | TryAgain:
    return judge(
        policy,
        outcome,
        error,
        budgets or Budgets(),
        now=NOW,
        deadline_at=deadline_at,
        random=0.5,
    ).then


@given(st.integers(1, 200), st.floats(0, 1, exclude_max=True))
def test_back_off_never_exceeds_its_cap(failures: int, random: float) -> None:
    retry = Retry(initial_seconds=2, factor=3, max_seconds=60)
    assert timedelta() <= backoff(retry, failures, random) <= timedelta(seconds=60)


@pytest.mark.parametrize(
    ("failures", "seconds"), [(1, 1.0), (2, 2.0), (3, 4.0), (8, 128.0), (9, 150.0), (99, 150.0)]
)
def test_back_off_doubles_up_to_its_cap(failures: int, seconds: float) -> None:
    assert backoff(Retry(), failures, 0.5) == timedelta(seconds=seconds)


def test_attempts_are_bounded_by_the_user_s_budget() -> None:
    policy = Policy(retry=Retry(max_attempts=3))
    assert isinstance(verdict(policy, Outcome.FAILED, budgets=Budgets(user=1)), TryAgain)
    assert verdict(policy, Outcome.FAILED, budgets=Budgets(user=2)) == Finish(succeeded=False)


def test_time_outs_have_a_budget_of_their_own() -> None:
    policy = Policy(retry=Retry(max_attempts=1, max_timeouts=2))
    assert isinstance(verdict(policy, Outcome.TIMED_OUT, None), TryAgain)
    assert verdict(policy, Outcome.TIMED_OUT, None, Budgets(timeouts=1)) == Finish(succeeded=False)
    assert verdict(policy, Outcome.FAILED) == Finish(succeeded=False)


@pytest.mark.parametrize("outcome", [Outcome.WORKER_LOST, Outcome.CANCELLED, Outcome.BAD_RESULT])
def test_what_no_other_try_helps_is_final(outcome: Outcome) -> None:
    assert verdict(Policy(), outcome, None) == Finish(succeeded=False)


def test_an_error_that_says_so_is_not_tried_again_unless_a_rule_does() -> None:
    hopeless = BOOM.model_copy(update={"retryable": False})
    assert verdict(Policy(), Outcome.FAILED, hopeless) == Finish(succeeded=False)
    rules = [RetryRule(error_type="Boom", action="retry")]
    stubborn = Policy(retry=Retry(rules=rules))
    assert isinstance(verdict(stubborn, Outcome.FAILED, hopeless), TryAgain)


@pytest.mark.parametrize(
    ("rule", "matches"),
    [
        ({"error_type": "Boom"}, True),
        ({"error_type": "Other"}, False),
        ({"message_pattern": "*reset*"}, True),
        ({"message_pattern": "reset"}, False),
        ({"message_pattern": "*(a+)+$"}, False),
        ({"exit_code": 3}, True),
        ({"exit_code": 4}, False),
        ({"outcome": "failed"}, True),
        ({"outcome": "crashed"}, False),
        ({"outcome": "failed", "exit_code": 4}, False),
    ],
)
def test_a_rule_matches_where_all_its_conditions_do(rule: dict[str, object], matches: bool) -> None:
    made = RetryRule.model_validate({"action": "fail", **rule})
    assert made.matches(Outcome.FAILED, BOOM) is matches
    policy = Policy(retry=Retry(rules=[made]))
    assert isinstance(verdict(policy, Outcome.FAILED), TryAgain) is not matches


def test_the_first_rule_that_matches_wins() -> None:
    rules = [
        RetryRule(error_type="Boom", action="retry", max_attempts=5),
        RetryRule(outcome="failed", action="fail"),
    ]
    policy = Policy(retry=Retry(rules=rules, max_attempts=1))
    assert isinstance(verdict(policy, Outcome.FAILED, budgets=Budgets(user=3)), TryAgain)
    assert verdict(policy, Outcome.FAILED, budgets=Budgets(user=4)) == Finish(succeeded=False)


def test_no_retry_is_due_after_the_deadline() -> None:
    soon = NOW + timedelta(milliseconds=1)
    assert verdict(Policy(), Outcome.FAILED, deadline_at=soon) == Finish(succeeded=False)


@pytest.mark.parametrize(
    ("tolerance", "failed", "exceeded"),
    [
        (Tolerance(), 0, False),
        (Tolerance(), 1, True),
        (Tolerance(count=3), 3, False),
        (Tolerance(count=3), 4, True),
        (Tolerance(percent=10), 10, False),
        (Tolerance(percent=10), 11, True),
    ],
)
def test_tolerance_is_a_count_or_a_percentage(
    tolerance: Tolerance, failed: int, exceeded: bool
) -> None:
    assert tolerance.exceeded(failed, 100) is exceeded


def test_the_window_follows_the_rate_within_bounds_or_the_user_s_cap() -> None:
    assert window_tasks(Policy(), 0, 0.0) == 2_000
    assert window_tasks(Policy(), 10_000, 100.0) == 12_000
    assert window_tasks(Policy(), 1_000_000, 1.0) == 100_000
    assert window_tasks(Policy(max_running=7), 1_000_000, 1.0) == 7


def test_refill_is_due_below_half_the_window_or_below_the_cap() -> None:
    assert wants_refill(Policy(), 999, 2_000)
    assert not wants_refill(Policy(), 1_000, 2_000)
    assert wants_refill(Policy(max_running=7), 6, 7)
    assert not wants_refill(Policy(max_running=7), 7, 7)


def test_messages_grow_with_the_window() -> None:
    assert [tasks_per_message(Policy(), window) for window in (7, 2_000, 8_000, 100_000)] == [
        1,
        5,
        20,
        25,
    ]
    assert tasks_per_message(Policy(tasks_per_message=3), 100_000) == 3


@pytest.mark.parametrize(
    ("tally", "stop", "event"),
    [
        (Tally(ok=10), None, JobEvent.FINISHED_SUCCEEDED),
        (Tally(ok=9, failed=1), None, JobEvent.FINISHED_FAILED),
        (Tally(ok=10), StopReason.CANCEL, JobEvent.FINISHED_SUCCEEDED),
        (Tally(ok=9, cancelled=1), StopReason.CANCEL, JobEvent.FINISHED_CANCELLED),
        (Tally(ok=9, skipped=1), StopReason.DEADLINE, JobEvent.FINISHED_FAILED),
        (Tally(ok=9, skipped=1), StopReason.ORCHESTRATION, JobEvent.FINISHED_FAILED),
    ],
)
def test_how_a_job_ends(tally: Tally, stop: StopReason | None, event: JobEvent) -> None:
    assert how_it_ends(Policy(), tally, 10, stop) is event
