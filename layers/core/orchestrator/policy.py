"""Decisions as pure functions: retry or fail, back-off, tolerance, how much to enqueue, how a job ends."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator

from orchestrator.model.items import Budgets
from orchestrator.model.progress import Tally
from orchestrator.model.states import JobEvent, Outcome, StopReason
from orchestrator.model.wire import TaskError

INFRASTRUCTURE_BUDGET = 2
"""Times a task's worker may be lost before the task is held to be the cause (PROTOCOL, claim)."""
MAX_TIMEOUT_SECONDS = 39_600
"""11 hours: SQS allows 12 from the receive, renewals included; the rest is for the drain and the report."""
DEFAULT_TIMEOUT_SECONDS = 900.0
WINDOW_MIN_TASKS = 2_000
WINDOW_MAX_TASKS = 100_000
WINDOW_SECONDS = 120
TASKS_PER_MESSAGE_MAX = 25
MESSAGES_PER_WINDOW = 400
_PATTERN_MAX_CHARS = 200


class _Rules(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, defer_build=True)


class RetryRule(_Rules):
    """What to do on failures that match all given conditions; of a job's rules the first match wins.

    `message_pattern` is a shell pattern (`*timed out*`) for the whole message. It is no regular expression:
    one of those can be written to take hours, and would do so in the function that all workers share.
    """

    error_type: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    message_pattern: Annotated[str, Field(min_length=1, max_length=_PATTERN_MAX_CHARS)] | None = (
        None
    )
    exit_code: Annotated[int, Field(ge=-64, le=255)] | None = None
    outcome: Literal["failed", "timed_out", "out_of_memory", "crashed", "bad_result"] | None = None
    action: Literal["retry", "fail"]
    max_attempts: Annotated[int, Field(ge=1, le=100)] | None = None

    def matches(self, outcome: Outcome, error: TaskError | None) -> bool:
        """Tell whether all conditions of this rule hold for a failure."""
        return (
            (self.outcome is None or self.outcome == outcome)
            and (self.error_type is None or (error is not None and error.type == self.error_type))
            and (
                self.exit_code is None or (error is not None and error.exit_code == self.exit_code)
            )
            and (
                self.message_pattern is None
                or (error is not None and fnmatchcase(error.message, self.message_pattern))
            )
        )


class Retry(_Rules):
    """How often and when a failed task is tried again.

    Attempt n waits a random time (full jitter) up to min(max_seconds, initial_seconds * factor ** (n - 1)).
    """

    max_attempts: Annotated[int, Field(ge=1, le=100)] = 3
    max_timeouts: Annotated[int, Field(ge=1, le=100)] = 2
    initial_seconds: Annotated[float, Field(ge=0, le=3_600, allow_inf_nan=False)] = 2.0
    factor: Annotated[float, Field(ge=1, le=10, allow_inf_nan=False)] = 2.0
    max_seconds: Annotated[float, Field(ge=0, le=43_200, allow_inf_nan=False)] = 300.0
    rules: Annotated[list[RetryRule], Field(max_length=20)] = []


class Tolerance(_Rules):
    """How many failed tasks a job may have and still be SUCCEEDED: a count or a percentage of the total."""

    count: Annotated[int, Field(ge=0, le=1_000_000)] | None = None
    percent: Annotated[float, Field(ge=0, le=100, allow_inf_nan=False)] | None = None
    when_exceeded: Literal["finish", "stop"] = "finish"

    @field_validator("percent")
    @classmethod
    def _one_of(cls, percent: float | None, info: object) -> float | None:
        if percent is not None and getattr(info, "data", {}).get("count") is not None:
            raise ValueError("give either count or percent")
        return percent

    def exceeded(self, failed: int, total: int) -> bool:
        """Tell whether `failed` of `total` tasks are too many."""
        if self.percent is not None:
            return failed * 100 > self.percent * total
        return failed > (self.count or 0)


class Policy(_Rules):
    """What JOB keeps of a submission's rules."""

    retry: Retry = Retry()
    timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS
    deadline_seconds: float | None = None
    tolerated_failures: Tolerance = Tolerance()
    tasks_per_message: int | None = None
    max_running: int | None = None

    @classmethod
    def load(cls, text: str) -> Self:
        """Read what `model_dump_json` wrote."""
        return cls.model_validate_json(text)


@dataclass(frozen=True, slots=True)
class Finish:
    """The task ends: succeeded or failed."""

    succeeded: bool


@dataclass(frozen=True, slots=True)
class TryAgain:
    """The task gets another attempt, not before `due_at`."""

    due_at: datetime


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of a task after one run, and what it has then used up."""

    then: Finish | TryAgain
    budgets: Budgets


def backoff(retry: Retry, failures: int, random: float) -> timedelta:
    """Return the wait before the next attempt after `failures` (>= 1): exponential, capped, full jitter.

    Source: M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
    """
    exponent = min(failures - 1, 64)
    ceiling = min(retry.max_seconds, retry.initial_seconds * retry.factor**exponent)
    return timedelta(seconds=ceiling * random)


def judge(
    policy: Policy,
    outcome: Outcome,
    error: TaskError | None,
    budgets: Budgets,
    *,
    now: datetime,
    deadline_at: datetime | None,
    random: float,
) -> Verdict:
    """Decide after one run of a task. `budgets` are those before it, `random` is in [0, 1)."""
    if outcome is Outcome.SUCCEEDED:
        return Verdict(Finish(succeeded=True), budgets)
    spent = _spend(budgets, outcome)
    if not _may_retry(policy.retry, outcome, error, spent):
        return Verdict(Finish(succeeded=False), spent)
    failures = spent.user + spent.timeouts
    due_at = now + backoff(policy.retry, failures, random)
    if deadline_at is not None and due_at >= deadline_at:
        return Verdict(Finish(succeeded=False), spent)
    return Verdict(TryAgain(due_at), spent)


def _spend(budgets: Budgets, outcome: Outcome) -> Budgets:
    return Budgets(
        user=budgets.user + (outcome not in (Outcome.TIMED_OUT, Outcome.WORKER_LOST)),
        infrastructure=budgets.infrastructure + (outcome is Outcome.WORKER_LOST),
        timeouts=budgets.timeouts + (outcome is Outcome.TIMED_OUT),
    )


def _may_retry(retry: Retry, outcome: Outcome, error: TaskError | None, spent: Budgets) -> bool:
    if outcome in (Outcome.WORKER_LOST, Outcome.CANCELLED):
        return False
    rule = next((rule for rule in retry.rules if rule.matches(outcome, error)), None)
    if rule is not None:
        limit = rule.max_attempts or retry.max_attempts
        return rule.action == "retry" and spent.user + spent.timeouts < limit
    if outcome is Outcome.BAD_RESULT or (error is not None and not error.retryable):
        return False
    if outcome is Outcome.TIMED_OUT:
        return spent.timeouts < retry.max_timeouts
    return spent.user < retry.max_attempts


def window_tasks(policy: Policy, finished: int, elapsed_seconds: float) -> int:
    """Return how many tasks may be out at once: max_running, else 120 s of the observed rate, bounded."""
    if policy.max_running is not None:
        return policy.max_running
    rate = finished / elapsed_seconds if elapsed_seconds > 0 else 0.0
    return max(WINDOW_MIN_TASKS, min(WINDOW_MAX_TASKS, int(rate * WINDOW_SECONDS)))


def wants_refill(policy: Policy, outstanding: int, window: int) -> bool:
    """Tell whether it is time to enqueue more: below half the window, or below the user's own cap."""
    return outstanding < (window if policy.max_running is not None else window / 2)


def tasks_per_message(policy: Policy, window: int) -> int:
    """Return how many tasks one message carries: few while the window is small, so that work spreads."""
    if policy.tasks_per_message is not None:
        return policy.tasks_per_message
    return max(1, min(TASKS_PER_MESSAGE_MAX, window // MESSAGES_PER_WINDOW))


def how_it_ends(policy: Policy, tally: Tally, total: int, stop: StopReason | None) -> JobEvent:
    """Return the event that ends a job all of whose tasks have ended."""
    if stop is not None and tally.cancelled + tally.skipped > 0:
        cancelled = stop is StopReason.CANCEL
        return JobEvent.FINISHED_CANCELLED if cancelled else JobEvent.FINISHED_FAILED
    if policy.tolerated_failures.exceeded(tally.failed, total):
        return JobEvent.FINISHED_FAILED
    return JobEvent.FINISHED_SUCCEEDED
