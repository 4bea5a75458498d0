"""A dry run: what a submission would be, ask for, cost and meet, without creating anything."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import BaseModel, ConfigDict, JsonValue

from orchestrator.model.items import Role
from orchestrator.model.wire import INLINE_INPUTS_MAX_BYTES
from orchestrator.policy import TASKS_PER_MESSAGE_MAX, WINDOW_MIN_TASKS
from orchestrator.service.access import Caller, require
from orchestrator.service.planning import BadLine
from orchestrator.service.ports import Deps, Limits
from orchestrator.service.preview import Certainty, Preview, preview
from orchestrator.service.prices import load_prices
from orchestrator.spec import SubmitJobIn, encode_json


class _Out(BaseModel):
    model_config = ConfigDict(frozen=True, defer_build=True)


class PlannedTask(_Out):
    """A task as its handler would get it."""

    index: int
    input: JsonValue = None


class LimitHit(_Out):
    """A limit that the job would meet: its value, what the job would have, and what happens then."""

    limit: str
    value: float
    would_be: float
    then: str


class MinutesOut(_Out):
    """How long it would take: the longer of the two, each in minutes.

    `control_plane`: at the measured rate of no-op tasks. `tasks`: `task_seconds` each over `slots`; null
    unless both were given.
    """

    control_plane: float
    tasks: float | None
    total: float


class DollarsOut(_Out):
    """List prices of AWS for the requests alone: workers, storage and the functions' time are not in it."""

    region: str
    prices_as_of: str
    by_use: dict[str, float]
    total: float


class PlanOut(_Out):
    """What would become of a submission. Nothing was created.

    `accepted`: false where the submit or the plan would end it; `problem` says why. `total_is`: "exact";
    "estimate" (from the beginning of a manifest); "at_least" (from the beginning of a listing). `tasks`: five
    of them. `requests`: an estimate, each task being short and tried once.
    """

    accepted: bool
    problem: str | None
    total: int
    total_is: Certainty
    tasks: list[PlannedTask]
    bad_line_count: int
    bad_lines_all_read: bool
    bad_lines: list[BadLine]
    requests: dict[str, float]
    dollars: DollarsOut
    minutes: MinutesOut
    limits: list[LimitHit]


def plan_submission(
    deps: Deps,
    caller: Caller,
    submission: SubmitJobIn,
    *,
    task_seconds: float | None,
    slots: int | None,
) -> PlanOut:
    """Return what a submission would be. Raises Forbidden, and InvalidField as the submit would."""
    require(caller, Role.SUBMITTER)
    seen = preview(deps, caller, submission)
    minutes = _minutes(submission, seen.total, task_seconds, slots)
    limits = [
        *_tenant_limits(deps.limits, seen.total),
        *_limits(submission, seen, minutes, task_seconds),
    ]
    problem = seen.fault or _too_many(seen, deps.limits.tasks_per_job)
    used = load_prices().used(seen.total, submission.tasks_per_message)
    bad = seen.bad_lines
    return PlanOut(
        accepted=problem is None,
        problem=problem,
        total=seen.total,
        total_is=seen.total_is,
        tasks=[PlannedTask(index=index, input=value) for index, value in seen.tasks],
        bad_line_count=bad.count if bad is not None else 0,
        bad_lines_all_read=bad.all_read if bad is not None else True,
        bad_lines=bad.lines if bad is not None else [],
        requests={name: round(count, 3) for name, count in used.items()},
        dollars=_dollars(used),
        minutes=minutes,
        limits=limits,
    )


def _too_many(seen: Preview, limit: int) -> str | None:
    if seen.total <= limit:
        return None
    about = {"exact": "", "estimate": "about ", "at_least": "at least "}[seen.total_is]
    return f"there are {about}{seen.total:,} tasks, and a job has at most {limit:,}"


def _dollars(used: dict[str, float]) -> DollarsOut:
    prices = load_prices()
    by_use = {name: round(dollars, 6) for name, dollars in prices.dollars(used).items()}
    return DollarsOut(
        region=prices.region,
        prices_as_of=prices.as_of,
        by_use=by_use,
        total=round(sum(by_use.values()), 6),
    )


def _minutes(
    submission: SubmitJobIn, total: int, task_seconds: float | None, slots: int | None
) -> MinutesOut:
    control_plane = total / load_prices().tasks_per_second / 60
    tasks = None
    if task_seconds is not None and slots is not None:
        at_once = min(slots, submission.max_running or slots, max(total, 1))
        tasks = total * task_seconds / at_once / 60
    longest = max(control_plane, tasks or 0.0)
    return MinutesOut(
        control_plane=round(control_plane, 2),
        tasks=round(tasks, 2) if tasks is not None else None,
        total=round(longest, 2),
    )


def _tenant_limits(limits: Limits, total: int) -> Iterator[LimitHit]:
    """Yield the tenant's limits that are in the way of this job alone, whatever else is active."""
    most = limits.tasks_per_job
    if total > most:
        yield _hit("tasks of a job", most, total, "it is refused, or ends FAILED")
    if limits.queued_tasks and total > limits.queued_tasks:
        yield _hit("tasks of a tenant that wait", limits.queued_tasks, total, "it is refused")


def _limits(
    submission: SubmitJobIn, seen: Preview, minutes: MinutesOut, task_seconds: float | None
) -> Iterator[LimitHit]:
    """Yield the limits that are in the way; the numbers' sources are beside them in policy and wire."""
    window = submission.max_running or WINDOW_MIN_TASKS
    if seen.total > window:
        name = "max_running" if submission.max_running else "tasks in the queue at first"
        yield _hit(name, window, seen.total, "the rest is sent as reports come in")
    inputs = _message_bytes(submission, seen)
    if inputs > INLINE_INPUTS_MAX_BYTES:
        then = "inputs travel by reference: one more read of S3 a message"
        yield _hit("bytes of inputs in a message", INLINE_INPUTS_MAX_BYTES, inputs, then)
    if task_seconds is not None and task_seconds > submission.timeout_seconds:
        then = "each attempt of a task times out"
        yield _hit("timeout_seconds", submission.timeout_seconds, task_seconds, then)
    deadline = submission.deadline_seconds
    if deadline is not None and minutes.total * 60 > deadline:
        then = "the job is stopped, and what has not ended is SKIPPED"
        yield _hit("deadline_seconds", deadline, minutes.total * 60, then)


def _hit(limit: str, value: float, would_be: float, then: str) -> LimitHit:
    return LimitHit(limit=limit, value=value, would_be=round(would_be, 3), then=then)


def _message_bytes(submission: SubmitJobIn, seen: Preview) -> int:
    """Return the size of a full message's inputs, judged by the tasks that are shown."""
    if not seen.tasks or submission.tasks.matrix is not None:
        return 0
    sizes = [len(encode_json(value)) for _, value in seen.tasks]
    count = min(submission.tasks_per_message or TASKS_PER_MESSAGE_MAX, seen.total)
    return round(sum(sizes) / len(sizes) * count)
