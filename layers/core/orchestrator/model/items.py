"""The items that the store keeps, as values. Times are aware and UTC; absent attributes are None."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Literal

from orchestrator.model.lanes import Lane
from orchestrator.model.progress import Counts
from orchestrator.model.states import JobState, Outcome, StopReason, TaskState
from orchestrator.model.timeline import TimelineEvent
from orchestrator.model.wire import RunningTask, TaskError

PRIORITY_DEFAULT = 5
HISTORY_MAX = 5
"""Past attempts kept on a task's row."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """Why, by whom and when a job was told to stop."""

    reason: StopReason
    by: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What a job's tasks used, summed up from its rows: attempts that ended, and their time on workers.

    A row keeps its last six attempts, so of a task that was tried more often these are counted.
    """

    attempts: int
    worker_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """JOB: one row a job. `total` is None until PlanTasks knows it; `policy` is the JSON of `Policy`.

    `lane` is decided with the plan of each generation, and all of its messages go there.
    """

    job_id: str
    tenant: str
    name: str
    handler: str
    state: JobState
    gen: int = 1
    exec: int = 1
    total: int | None = None
    policy: str
    created_by: str
    request_id: str
    created_at: datetime
    expires_at: datetime
    tags: Mapping[str, str] = field(default_factory=dict)
    state_reason: str | None = None
    stop: Stop | None = None
    plan_ref: str | None = None
    reopen_ref: str | None = None
    lane: Lane = Lane.ORDINARY
    base_finals: int = 0
    cursor: int = 0
    max_running: int | None = None
    priority: int = PRIORITY_DEFAULT
    unsent_of: str | None = None
    """The tenant, from the plan on until the last task was sent or the job was stopped: a sparse index."""
    token: str | None = None
    final_counts: Counts | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    deadline_at: datetime | None = None
    next_check_at: datetime | None = None
    checks: int = 0
    results_ref: str | None = None
    resent_at: datetime | None = None
    held_until: datetime | None = None
    """A job of a higher priority was found to have unsent tasks: no report asks again before."""
    asked_until: datetime | None = None
    """An enqueuer was asked for, or is at work: no report asks for another before."""
    opens_at: datetime | None = None
    """Nothing is sent before: handlers of the generation before may still run (max_running)."""
    events: tuple[TimelineEvent, ...] = ()
    usage: Usage | None = None

    @property
    def chosen(self) -> int:
        """How many tasks this generation is to run; 0 until the plan knows."""
        return (self.total or 0) - self.base_finals

    @property
    def unsent(self) -> int:
        """How many of those were not sent yet, a first time."""
        return self.chosen - self.cursor

    def is_asked(self, at: datetime) -> bool:
        """Tell whether an enqueuer is asked for at this moment."""
        return self.asked_until is not None and at < self.asked_until


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptEnd:
    """How one attempt ended: the row's `last`, and an entry of its history.

    `log_ref` is a key in the results bucket.
    """

    attempt: int
    run_id: str
    outcome: Outcome
    at: datetime
    worker: str
    started_at: datetime
    duration_ms: int
    error: TaskError | None = None
    log_ref: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Budgets:
    """What a task has used up since it was (re)opened: failures by kind; each counts once.

    `infrastructure`: workers lost in earlier attempts; those of this one are the row's `starts`.
    `rules`: failures by the position of the rule with a limit of its own that decided about them.
    """

    user: int = 0
    infrastructure: int = 0
    timeouts: int = 0
    rules: tuple[int, ...] = ()

    @property
    def failures(self) -> int:
        """Return how many attempts failed: what the back-off grows with."""
        return self.user + self.timeouts + sum(self.rules)


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskRow:
    """TASK: written by a task's first report. `starts`: the receives that began this attempt.

    `last` is how the newest ended attempt went, `history` those before it, without tracebacks.
    `result` is JSON text of at most 700 bytes, `result_ref` a key in the results bucket.
    """

    job_id: str
    index: int
    state: TaskState
    gen: int
    attempt: int
    expires_at: datetime
    due_at: datetime | None = None
    last: AttemptEnd | None = None
    starts: frozenset[str] = frozenset()
    budgets: Budgets = field(default_factory=Budgets)
    history: tuple[AttemptEnd, ...] = ()
    result: str | None = None
    result_ref: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Absent:
    """Expect no row."""


@dataclass(frozen=True, slots=True, kw_only=True)
class At:
    """Expect a row of this generation and attempt that is not final."""

    gen: int
    attempt: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Older:
    """Expect no row, or one of an older generation."""

    gen: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskWrite:
    """Write `row` whole, if the row that stands is as expected."""

    row: TaskRow
    expect: Absent | At | Older


@dataclass(frozen=True, slots=True, kw_only=True)
class Outbox:
    """OUTBOX: tasks that must be sent once `due_at` has come. Written before the state it belongs to.

    A retry names one index and its attempt; a range [start, stop) counts chosen tasks (PROTOCOL: cursor).
    """

    job_id: str
    gen: int
    kind: Literal["retry", "range"]
    start: int
    stop: int
    attempt: int
    due_at: datetime
    expires_at: datetime

    @property
    def minute(self) -> int:
        """Return the minute of the epoch that it is filed under: the one after it is due."""
        return round(self.due_at.timestamp() * 1000) // 60_000 + 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """HOLD: the message that may run an attempt of a task, `until` no worker can have it any more."""

    job_id: str
    index: int
    gen: int
    attempt: int
    message_id: str
    until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Idem:
    """IDEM: what an Idempotency-Key stands for. `from_gen` is 0 for a submission."""

    key: str
    job_id: str
    body_hash: str
    from_gen: int
    expires_at: datetime


class Role(StrEnum):
    """What an API key may do: read, also submit and stop and retry, also see all of the tenant."""

    VIEWER = "viewer"
    SUBMITTER = "submitter"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """A bearer key; only the SHA-256 of its secret is kept."""

    key_id: str
    name: str
    tenant: str
    role: Role
    secret_hash: str
    created_at: datetime
    created_by: str
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker:
    """W#: a worker as its last heartbeat told. `jobs` are those it ran tasks of, `running` how many tasks.

    `alive_since` is its first heartbeat: the store keeps the one that stands. `schemas_digest` names its
    handlers' InputSchemas.
    """

    worker_id: str
    version: str
    slots: int
    handlers: tuple[str, ...]
    unknown_handlers: tuple[str, ...]
    draining: bool
    jobs: frozenset[str]
    seen_at: datetime
    expires_at: datetime
    running: int = 0
    alive_since: datetime | None = None
    schemas_digest: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class InputSchemas:
    """SCHEMAS: the JSON schemas of handlers' inputs as one JSON text, once for all workers that have them."""

    digest: str
    text: str
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """R#job: what one worker runs of one job; not believed after `expires_at` (45 s)."""

    job_id: str
    worker_id: str
    tasks: tuple[RunningTask, ...]
    seen_at: datetime
    expires_at: datetime
