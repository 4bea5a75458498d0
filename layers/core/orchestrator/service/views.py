"""What the API answers: wire types of people's routes, and how they are made of items."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from pydantic import BaseModel, ConfigDict, JsonValue

from orchestrator.model.ids import offset_of, task_id
from orchestrator.model.items import AttemptEnd, Job, Role, TaskRow
from orchestrator.model.progress import Counts, Leaf, Root, counts_of
from orchestrator.model.states import JobState, Outcome, StopReason, TaskState
from orchestrator.model.wire import RunningTask, TaskError
from orchestrator.policy import Policy


class _Out(BaseModel):
    model_config = ConfigDict(frozen=True, defer_build=True)


class CountsOut(_Out):
    """Tasks by state; the sum is the job's total in every answer."""

    pending: int
    running: int
    retrying: int
    succeeded: int
    failed: int
    cancelled: int
    skipped: int


class StopOut(_Out):
    """Why, by whom and when the job was told to stop."""

    reason: StopReason
    by: str
    at: datetime


class JobOut(_Out):
    """A job. `total` is null until the inputs are counted; `progress` is 0..1."""

    job_id: str
    name: str
    handler: str
    priority: int
    state: JobState
    state_reason: str | None
    stop: StopOut | None
    gen: int
    total: int | None
    counts: CountsOut
    progress: float
    created_at: datetime
    created_by: str
    started_at: datetime | None
    finished_at: datetime | None
    deadline_at: datetime | None
    tags: dict[str, str]
    policy: Policy
    links: dict[str, str]


class JobPage(_Out):
    """A page of jobs, newest first; `next_cursor` is null on the last one."""

    jobs: list[JobOut]
    next_cursor: str | None


class AttemptOut(_Out):
    """How one attempt ended; `log_url` is a presigned link to what it wrote, for tasks that are containers."""

    attempt: int
    outcome: Outcome
    worker: str
    started_at: datetime
    ended_at: datetime
    duration_ms: int
    error: TaskError | None
    log_url: str | None = None


class TaskOut(_Out):
    """A task. `attempts` are the last ones that ended (at most six), oldest first."""

    task_id: str
    job_id: str
    index: int
    state: TaskState
    attempt: int
    attempts: list[AttemptOut]
    input: JsonValue = None
    result: JsonValue = None
    result_url: str | None = None
    error: TaskError | None = None
    worker: str | None = None
    progress: float | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    due_at: datetime | None = None


class TaskPage(_Out):
    """A page of tasks by index; `next_cursor` is null on the last one."""

    tasks: list[TaskOut]
    next_cursor: str | None


class ResultsPart(_Out):
    """One JSONL part, lines ordered by index; the link is presigned."""

    url: str
    first_index: int
    lines: int
    bytes: int
    sha256: str


class ResultsOut(_Out):
    """The results of a finished job."""

    job_id: str
    state: JobState
    counts: CountsOut
    lines: int
    bytes: int
    parts: list[ResultsPart]
    manifest_url: str
    expires_in_seconds: int


class KeyOut(_Out):
    """An API key without its secret."""

    key_id: str
    name: str
    tenant: str
    role: Role
    created_at: datetime
    created_by: str
    expires_at: datetime | None


class MintedKey(KeyOut):
    """A new key; `key` is shown this once."""

    key: str


class KeyList(_Out):
    """All keys."""

    keys: list[KeyOut]


def counts_view(counts: Counts) -> CountsOut:
    """Return the counts as the API shows them."""
    return CountsOut(
        pending=counts.pending,
        running=counts.running,
        retrying=counts.retrying,
        succeeded=counts.succeeded,
        failed=counts.failed,
        cancelled=counts.cancelled,
        skipped=counts.skipped,
    )


def job_counts(job: Job, root: Root, now: datetime) -> Counts:
    """Return the counts of a job: frozen when it is final, else derived from its root."""
    if job.state.final and job.final_counts is not None:
        return job.final_counts
    return counts_of(job.total or 0, root, now)


def job_view(job: Job, root: Root, now: datetime) -> JobOut:
    """Return a job as the API shows it."""
    counts = job_counts(job, root, now)
    path = f"/api/v1/jobs/{job.job_id}"
    return JobOut(
        job_id=job.job_id,
        name=job.name,
        handler=job.handler,
        priority=job.priority,
        state=job.state,
        state_reason=job.state_reason,
        stop=StopOut(reason=job.stop.reason, by=job.stop.by, at=job.stop.at) if job.stop else None,
        gen=job.gen,
        total=job.total,
        counts=counts_view(counts),
        progress=counts.finals / job.total if job.total else 0.0,
        created_at=job.created_at,
        created_by=job.created_by,
        started_at=job.started_at,
        finished_at=job.finished_at,
        deadline_at=job.deadline_at,
        tags=dict(job.tags),
        policy=Policy.load(job.policy),
        links={
            "self": path,
            "tasks": f"{path}/tasks",
            "results": f"{path}/results",
            "bad_lines": f"{path}/bad-lines",
        },
    )


def _attempt_view(end: AttemptEnd, log_url: str | None) -> AttemptOut:
    return AttemptOut(
        attempt=end.attempt,
        outcome=end.outcome,
        worker=end.worker,
        started_at=end.started_at,
        ended_at=end.at,
        duration_ms=end.duration_ms,
        error=end.error,
        log_url=log_url,
    )


def task_state(index: int, leaf: Leaf | None, running: RunningTask | None) -> TaskState:
    """Return a task's state: its leaf's set wins; what a live worker runs and has not ended is RUNNING."""
    state = leaf.state(offset_of(index)) if leaf is not None else TaskState.PENDING
    return TaskState.RUNNING if running is not None and not state.final else state


@dataclass(frozen=True, slots=True)
class TaskData:
    """What S3 and the row hold of a task: its input, its result or a link to it, links to logs by attempt."""

    input: JsonValue = None
    result: JsonValue = None
    result_url: str | None = None
    log_urls: Mapping[int, str] = field(default_factory=dict)


def task_view(
    job: Job,
    index: int,
    leaf: Leaf | None,
    row: TaskRow | None,
    running: tuple[str, RunningTask, datetime] | None,
    data: TaskData,
) -> TaskOut:
    """Return a task of the plan. `running` is (worker, task, started_at) where a worker runs it now."""
    state = task_state(index, leaf, running[1] if running else None)
    last = row.last if row is not None else None
    ended = state in (TaskState.SUCCEEDED, TaskState.FAILED) and row is not None
    active = running if state is TaskState.RUNNING else None
    return TaskOut(
        task_id=task_id(job.job_id, index),
        job_id=job.job_id,
        index=index,
        state=state,
        attempt=row.attempt if row is not None else 1,
        attempts=[
            _attempt_view(end, data.log_urls.get(end.attempt)) for end in attempts_of_row(row)
        ],
        input=data.input,
        result=data.result,
        result_url=data.result_url,
        error=last.error if last is not None and state is not TaskState.SUCCEEDED else None,
        worker=active[0] if active else (last.worker if last else None),
        progress=active[1].progress if active else None,
        started_at=active[2] if active else (last.started_at if last else None),
        finished_at=last.at if ended and last is not None else None,
        due_at=row.due_at if row is not None and state is TaskState.RETRYING else None,
    )


def attempts_of_row(row: TaskRow | None) -> list[AttemptEnd]:
    """Return the ended attempts that a row tells of, oldest first."""
    if row is None:
        return []
    return [*row.history, row.last] if row.last is not None else list(row.history)


def last_end(row: TaskRow | None) -> AttemptEnd | None:
    """Return how the newest attempt ended; a reopened task's is in its history."""
    ends = attempts_of_row(row)
    return ends[-1] if ends else None


def error_of(end: AttemptEnd | None) -> tuple[str, str]:
    """Return type and message of an error; an attempt that ended without one is named by its outcome."""
    if end is None:
        return "unknown", ""
    return (end.error.type, end.error.message) if end.error is not None else (end.outcome, "")
