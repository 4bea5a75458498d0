"""Decisions as pure functions: retry or fail, back-off, tolerance, how much to enqueue, how a job ends."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator

from orchestrator.model.items import Budgets
from orchestrator.model.progress import Tally
from orchestrator.model.states import JobEvent, Outcome, StopReason
from orchestrator.model.wire import TaskError

INTERRUPTIONS_MAX = 20
"""Shutdowns that may interrupt one attempt of a task: at a drain of 25 s each, a task that never gets
further would go round for ever, at the cost of whoever pays for the workers."""
VISIBILITY_MAX_SECONDS = 43_200
"""SQS's limit from a receive on, renewals included: no worker has a message for longer."""
MAX_TIMEOUT_SECONDS = 39_600
"""11 of those 12 hours; the rest is for the drain and the report."""
DEFAULT_TIMEOUT_SECONDS = 900.0
WINDOW_MIN_TASKS = 2_000
WINDOW_MAX_TASKS = 100_000
WINDOW_SECONDS = 120
TASKS_PER_MESSAGE_MAX = 25
MESSAGES_PER_WINDOW = 400
WORKER_LOSSES_MAX = 20
"""The queue moves a message to the dead letters at its 50th receive (template.yaml), and each lost worker
takes one, or more where busy workers put it back before it may run alone."""
ERROR_TYPE_OF = {Outcome.WORKER_LOST: "WorkerLost", Outcome.INTERRUPTED: "Interrupted"}
"""What ends a task without a word of the task's own, and the error type that says so."""
_NEVER_RETRIED = frozenset({*ERROR_TYPE_OF, Outcome.CANCELLED})
"""Reported only when there is nothing left to decide."""
_PATTERN_MAX_CHARS = 200


class _Rules(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, defer_build=True)


class RetryRule(_Rules):
    """What to do on failures that match all given conditions; of a job's rules the first match wins.

    `message_pattern` is a shell pattern (`*timed out*`) for the whole message. It is no regular expression:
    one of those can be written to take hours, and would do so in the function that all workers share.
    `max_attempts` of a rule that retries is its own limit: the failure of that number that this rule decides
    ends the task, and none of them counts elsewhere. Lost workers and interruptions are no failures of the
    task: only a rule that names them (by outcome or error type) decides about them.
    """

    error_type: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    message_pattern: Annotated[str, Field(min_length=1, max_length=_PATTERN_MAX_CHARS)] | None = (
        None
    )
    exit_code: Annotated[int, Field(ge=-64, le=255)] | None = None
    outcome: (
        Literal[
            "failed",
            "timed_out",
            "out_of_memory",
            "crashed",
            "bad_result",
            "worker_lost",
            "interrupted",
        ]
        | None
    ) = None
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

    def names(self, outcome: Outcome) -> bool:
        """Tell whether this rule is about lost workers, or about interruptions, as `outcome` says."""
        if self.outcome is None:
            return self.error_type == ERROR_TYPE_OF[outcome]
        return self.outcome == outcome and self.error_type in (None, ERROR_TYPE_OF[outcome])

    def covers(self, later: RetryRule) -> bool:
        """Tell whether this rule matches all that `later` does, so that `later` is never reached."""
        about = {outcome for outcome in ERROR_TYPE_OF if later.names(outcome)}
        if about:
            return all(self.names(outcome) for outcome in about)
        return all(
            mine is None or mine == theirs
            for mine, theirs in (
                (self.error_type, later.error_type),
                (self.message_pattern, later.message_pattern),
                (self.exit_code, later.exit_code),
                (self.outcome, later.outcome),
            )
        )


class Retry(_Rules):
    """How often and when a failed task is tried again: each limit names the failure that ends the task.

    After n failures a task waits a random time (full jitter) up to
    min(max_seconds, initial_seconds * factor ** (n - 1)).
    """

    max_attempts: Annotated[int, Field(ge=1, le=100)] = 3
    max_timeouts: Annotated[int, Field(ge=1, le=100)] = 2
    max_worker_losses: Annotated[int, Field(ge=1, le=WORKER_LOSSES_MAX)] = 3
    initial_seconds: Annotated[float, Field(ge=0, le=3_600, allow_inf_nan=False)] = 2.0
    factor: Annotated[float, Field(ge=1, le=10, allow_inf_nan=False)] = 2.0
    max_seconds: Annotated[float, Field(ge=0, le=43_200, allow_inf_nan=False)] = 300.0
    rules: Annotated[list[RetryRule], Field(max_length=20)] = []

    def limit_of(self, outcome: Outcome) -> int:
        """Return which lost worker, or which interruption of an attempt, ends a task."""
        default = self.max_worker_losses if outcome is Outcome.WORKER_LOST else INTERRUPTIONS_MAX
        rule = next((rule for rule in self.rules if rule.names(outcome)), None)
        if rule is None:
            return default
        return 1 if rule.action == "fail" else (rule.max_attempts or default)


def check_rules(retry: Retry) -> Retry:
    """Return a submission's `retry`. Raises ValueError, naming the rule that can never do what it says.

    Asked at submit only: what JOB keeps is read again by later versions, which must not refuse it.
    """
    for number, rule in enumerate(retry.rules):
        if fault := _fault(rule):
            raise ValueError(f"rule {number + 1} {fault}")
        for earlier in range(number):
            if retry.rules[earlier].covers(rule):
                raise ValueError(
                    f"rule {number + 1} is never reached: rule {earlier + 1} matches all that it does; "
                    "put the narrower rule first"
                )
    return retry


def _fault(rule: RetryRule) -> str | None:
    if rule.action == "fail" and rule.max_attempts is not None:
        return "says fail, so it can have no max_attempts"
    if rule.exit_code is not None and rule.outcome not in (None, "failed", "crashed"):
        return f"never matches: a task that ended as {rule.outcome} has no exit code"
    about = [outcome for outcome in ERROR_TYPE_OF if rule.outcome == outcome or rule.names(outcome)]
    if not about:
        return None
    if rule.message_pattern is not None or rule.exit_code is not None:
        return f"never matches: {about[0].value} has neither a message nor an exit code of the task"
    if not rule.names(about[0]):
        return f"never matches: the error type of {about[0].value} is {ERROR_TYPE_OF[about[0]]}"
    if rule.names(Outcome.WORKER_LOST) and (rule.max_attempts or 0) > WORKER_LOSSES_MAX:
        return (
            f"may have max_attempts up to {WORKER_LOSSES_MAX}: the queue itself gives up after 50"
        )
    return None


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
    rules = policy.retry.rules
    number = next((n for n, rule in enumerate(rules) if rule.matches(outcome, error)), None)
    spent = _spend(policy.retry, budgets, outcome, number)
    if not _may_retry(policy.retry, outcome, error, spent, number):
        return Verdict(Finish(succeeded=False), spent)
    due_at = now + backoff(policy.retry, spent.failures, random)
    if deadline_at is not None and due_at >= deadline_at:
        return Verdict(Finish(succeeded=False), spent)
    return Verdict(TryAgain(due_at), spent)


def _spend(retry: Retry, budgets: Budgets, outcome: Outcome, number: int | None) -> Budgets:
    """Count a failure once: with the rule that has a limit of its own, else by its kind.

    Lost workers and interruptions are counted as they happen (claim, give-back).
    """
    if outcome in _NEVER_RETRIED:
        return budgets
    if number is not None and retry.rules[number].max_attempts is not None:
        counts = [*budgets.rules, *[0] * (number + 1 - len(budgets.rules))]
        counts[number] += 1
        return replace(budgets, rules=tuple(counts))
    if outcome is Outcome.TIMED_OUT:
        return replace(budgets, timeouts=budgets.timeouts + 1)
    return replace(budgets, user=budgets.user + 1)


def _may_retry(
    retry: Retry, outcome: Outcome, error: TaskError | None, spent: Budgets, number: int | None
) -> bool:
    if outcome in _NEVER_RETRIED:
        return False
    rule = retry.rules[number] if number is not None else None
    if rule is not None and rule.action == "fail":
        return False
    if rule is not None and number is not None and rule.max_attempts is not None:
        return spent.rules[number] < rule.max_attempts
    hopeless = outcome is Outcome.BAD_RESULT or (error is not None and not error.retryable)
    if rule is None and hopeless:
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
    if policy.retry.limit_of(Outcome.WORKER_LOST) == 1:
        return 1  # Of several tasks in a lost message nobody knows which one had begun.
    return max(1, min(TASKS_PER_MESSAGE_MAX, window // MESSAGES_PER_WINDOW))


def how_it_ends(policy: Policy, tally: Tally, total: int, stop: StopReason | None) -> JobEvent:
    """Return the event that ends a job all of whose tasks have ended.

    What an earlier generation's stop ended and no retry chose counts too: such a job has not succeeded.
    Nor has one without tasks: it was stopped before its plan could tell how many it has.
    """
    if tally.cancelled + tally.skipped > 0 or total == 0:
        cancelled = stop is StopReason.CANCEL
        return JobEvent.FINISHED_CANCELLED if cancelled else JobEvent.FINISHED_FAILED
    if policy.tolerated_failures.exceeded(tally.failed, total):
        return JobEvent.FINISHED_FAILED
    return JobEvent.FINISHED_SUCCEEDED
