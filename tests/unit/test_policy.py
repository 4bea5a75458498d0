"""Decisions: retry or fail, back-off, windows, and how a job ends."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

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
    check_rules,
    how_it_ends,
    judge,
    tasks_per_message,
    wants_refill,
    window_tasks,
)

NOW = datetime(2026, 1, 1, tzinfo=UTC)
BOOM = TaskError(type="Boom", message="connection reset by peer", exit_code=3)
OTHER = TaskError(type="Other", message="something else", exit_code=4)


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


@pytest.mark.parametrize(
    "outcome",
    [Outcome.WORKER_LOST, Outcome.INTERRUPTED, Outcome.CANCELLED, Outcome.BAD_RESULT],
)
def test_what_no_other_try_helps_is_final(outcome: Outcome) -> None:
    assert verdict(Policy(), outcome, None) == Finish(succeeded=False)


DEFAULTS = {
    Outcome.FAILED: 3,
    Outcome.CRASHED: 3,
    Outcome.OUT_OF_MEMORY: 3,
    Outcome.TIMED_OUT: 2,
    Outcome.BAD_RESULT: 1,
    Outcome.WORKER_LOST: 1,
    Outcome.INTERRUPTED: 1,
    Outcome.CANCELLED: 1,
}


def attempts_of(policy: Policy, *outcomes: Outcome, error: TaskError | None = BOOM) -> int:
    """Return how many attempts a task gets that ends as told, over and over."""
    budgets = Budgets()
    for number in range(1, 1_000):
        outcome = outcomes[(number - 1) % len(outcomes)]
        judged = judge(policy, outcome, error, budgets, now=NOW, deadline_at=None, random=0.5)
        if isinstance(judged.then, Finish):
            return number
        budgets = judged.budgets
    raise AssertionError("it is tried for ever")


@pytest.mark.parametrize("outcome", [each for each in Outcome if each is not Outcome.SUCCEEDED])
def test_by_default_each_outcome_has_its_number_of_attempts(outcome: Outcome) -> None:
    assert attempts_of(Policy(), outcome) == DEFAULTS[outcome]


def test_errors_and_time_outs_do_not_use_up_each_other_s_budget() -> None:
    policy = Policy(retry=Retry(max_attempts=3, max_timeouts=3))
    assert attempts_of(policy, Outcome.FAILED, Outcome.TIMED_OUT) == 5


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
    assert attempts_of(policy, Outcome.FAILED) == 5
    assert attempts_of(policy, Outcome.FAILED, error=OTHER) == 1


ONE_KIND = [
    pytest.param({"error_type": "Boom"}, Outcome.FAILED, BOOM, id="error type"),
    pytest.param({"message_pattern": "*reset*"}, Outcome.FAILED, BOOM, id="message"),
    pytest.param({"exit_code": 3}, Outcome.CRASHED, BOOM, id="exit code"),
    pytest.param({"outcome": "timed_out"}, Outcome.TIMED_OUT, None, id="time-out"),
    pytest.param({"outcome": "out_of_memory"}, Outcome.OUT_OF_MEMORY, OTHER, id="memory"),
    pytest.param({"outcome": "crashed"}, Outcome.CRASHED, OTHER, id="crash"),
    pytest.param({"outcome": "bad_result"}, Outcome.BAD_RESULT, OTHER, id="bad result"),
]


@pytest.mark.parametrize(("condition", "outcome", "error"), ONE_KIND)
def test_a_rule_s_own_limit_counts_what_the_rule_decides_and_nothing_else(
    condition: dict[str, object], outcome: Outcome, error: TaskError | None
) -> None:
    rule = RetryRule.model_validate({**condition, "action": "retry", "max_attempts": 7})
    policy = Policy(retry=Retry(rules=[rule]))
    assert attempts_of(policy, outcome, error=error) == 7
    spent = Budgets(user=2, timeouts=1)
    for _ in range(6):
        judged = judge(policy, outcome, error, spent, now=NOW, deadline_at=None, random=0.5)
        assert isinstance(judged.then, TryAgain)
        spent = judged.budgets
    assert (spent.user, spent.timeouts, spent.rules) == (2, 1, (6,))
    assert verdict(policy, outcome, error, spent) == Finish(succeeded=False)


@pytest.mark.parametrize(("condition", "outcome", "error"), ONE_KIND)
def test_a_rule_that_says_fail_ends_the_task_at_once(
    condition: dict[str, object], outcome: Outcome, error: TaskError | None
) -> None:
    rule = RetryRule.model_validate({**condition, "action": "fail"})
    policy = Policy(retry=Retry(rules=[rule], max_attempts=9, max_timeouts=9))
    assert attempts_of(policy, outcome, error=error) == 1


@pytest.mark.parametrize(("condition", "outcome", "error"), ONE_KIND)
def test_a_rule_without_a_limit_of_its_own_retries_within_the_kind_s_budget(
    condition: dict[str, object], outcome: Outcome, error: TaskError | None
) -> None:
    rule = RetryRule.model_validate({**condition, "action": "retry"})
    policy = Policy(retry=Retry(rules=[rule], max_attempts=5, max_timeouts=4))
    assert attempts_of(policy, outcome, error=error) == (4 if outcome is Outcome.TIMED_OUT else 5)


def test_two_rules_count_apart() -> None:
    rules = [
        RetryRule(outcome="timed_out", action="retry", max_attempts=3),
        RetryRule(outcome="crashed", action="retry", max_attempts=4),
    ]
    policy = Policy(retry=Retry(rules=rules, max_attempts=1, max_timeouts=1))
    assert attempts_of(policy, Outcome.TIMED_OUT, Outcome.CRASHED) == 5


LOST, STOPPED = Outcome.WORKER_LOST, Outcome.INTERRUPTED


@pytest.mark.parametrize(
    ("rules", "lost", "interrupted"),
    [
        ([], 3, 20),
        ([{"outcome": "worker_lost", "action": "fail"}], 1, 20),
        ([{"outcome": "worker_lost", "action": "retry"}], 3, 20),
        ([{"outcome": "worker_lost", "action": "retry", "max_attempts": 9}], 9, 20),
        ([{"error_type": "WorkerLost", "action": "retry", "max_attempts": 9}], 9, 20),
        ([{"outcome": "interrupted", "action": "fail"}], 3, 1),
        ([{"outcome": "interrupted", "action": "retry", "max_attempts": 4}], 3, 4),
        ([{"error_type": "Interrupted", "action": "fail"}], 3, 1),
        ([{"action": "fail"}], 3, 20),
        ([{"message_pattern": "*", "action": "fail"}], 3, 20),
        (
            [{"action": "fail"}, {"outcome": "worker_lost", "action": "retry", "max_attempts": 2}],
            2,
            20,
        ),
    ],
)
def test_only_rules_that_name_them_decide_about_lost_workers_and_interruptions(
    rules: list[dict[str, object]], lost: int, interrupted: int
) -> None:
    retry = Retry(rules=[RetryRule.model_validate(rule) for rule in rules])
    assert check_rules(retry) is retry
    assert (retry.limit_of(LOST), retry.limit_of(STOPPED)) == (lost, interrupted)


def test_the_default_number_of_lost_workers_is_the_job_s_to_set_within_bounds() -> None:
    assert Retry(max_worker_losses=1).limit_of(LOST) == 1
    assert Retry(max_worker_losses=20).limit_of(LOST) == 20
    for wrong in (0, 21):
        with pytest.raises(ValidationError):
            Retry(max_worker_losses=wrong)


def test_tasks_whose_first_lost_worker_ends_them_travel_alone() -> None:
    """In a lost message of several, nobody knows which one had begun."""
    careful = Policy(retry=Retry(max_worker_losses=1))
    assert tasks_per_message(careful, 100_000) == 1


@pytest.mark.parametrize(
    ("rules", "why"),
    [
        ([{"action": "fail", "max_attempts": 2}], "rule 1 says fail"),
        ([{"outcome": "timed_out", "exit_code": 1, "action": "fail"}], "no exit code"),
        ([{"outcome": "out_of_memory", "exit_code": -9, "action": "fail"}], "no exit code"),
        ([{"outcome": "worker_lost", "exit_code": 1, "action": "fail"}], "no exit code"),
        ([{"outcome": "worker_lost", "message_pattern": "*", "action": "fail"}], "neither"),
        ([{"error_type": "WorkerLost", "message_pattern": "*", "action": "fail"}], "neither"),
        ([{"outcome": "interrupted", "error_type": "Boom", "action": "fail"}], "error type of"),
        ([{"outcome": "worker_lost", "action": "retry", "max_attempts": 21}], "up to 20"),
        ([{"action": "fail"}, {"error_type": "Boom", "action": "retry"}], "rule 2 is never"),
        (
            [
                {"outcome": "failed", "action": "retry"},
                {"outcome": "crashed", "action": "retry"},
                {"outcome": "failed", "error_type": "Boom", "action": "fail"},
            ],
            "rule 3 is never reached: rule 1",
        ),
        (
            [{"error_type": "Boom", "action": "retry"}, {"error_type": "Boom", "action": "fail"}],
            "rule 2 is never",
        ),
        (
            [
                {"outcome": "worker_lost", "action": "fail"},
                {"error_type": "WorkerLost", "action": "retry"},
            ],
            "rule 2 is never",
        ),
    ],
)
def test_a_rule_that_cannot_do_what_it_says_is_refused_at_submit_only(
    rules: list[dict[str, object]], why: str
) -> None:
    retry = Retry(rules=[RetryRule.model_validate(rule) for rule in rules])
    with pytest.raises(ValueError, match=why):
        check_rules(retry)
    assert Policy.load(Policy(retry=retry).model_dump_json()).retry == retry


def test_rules_from_narrow_to_wide_are_accepted() -> None:
    rules = [
        RetryRule(outcome="failed", error_type="Boom", action="fail"),
        RetryRule(message_pattern="*reset*", action="retry", max_attempts=2),
        RetryRule(outcome="failed", action="retry"),
        RetryRule(outcome="worker_lost", action="fail"),
        RetryRule(outcome="interrupted", action="retry", max_attempts=100),
        RetryRule(action="fail"),
    ]
    check_rules(Retry(rules=rules))


def test_the_wait_grows_with_all_failures_whatever_they_are_counted_under() -> None:
    rules = [RetryRule(error_type="Boom", action="retry", max_attempts=50)]
    policy = Policy(retry=Retry(rules=rules))
    budgets = Budgets(user=1, timeouts=1, rules=(2,))
    judged = judge(policy, Outcome.FAILED, BOOM, budgets, now=NOW, deadline_at=None, random=0.5)
    assert judged.then == TryAgain(NOW + timedelta(seconds=16))


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
