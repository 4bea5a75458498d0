"""What the use cases need of the world, as protocols; store.py, aws.py and runtime.py provide them.

Every method of `Store` is one request or one batch, so a crash can only come between two calls. Reads
are strongly consistent unless they say otherwise. A conditional write answers None (or `Refused`)
where its condition does not hold; it never raises for that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol, TypedDict, Unpack

from orchestrator.model.ids import MAX_TASKS
from orchestrator.model.items import (
    Idem,
    Job,
    Outbox,
    Stop,
    TaskRow,
    TaskWrite,
    Usage,
)
from orchestrator.model.lanes import Lane
from orchestrator.model.progress import Counts, Leaf, Node, Root, SetName
from orchestrator.model.states import JobState
from orchestrator.model.timeline import TimelineEvent
from orchestrator.service.fleet_port import FleetStore
from orchestrator.service.hold_port import HoldStore
from orchestrator.service.insight_port import InsightStore
from orchestrator.service.key_port import KeyStore
from orchestrator.service.sources import Sources


class JobChanges(TypedDict, total=False):
    """Attributes of JOB to set; None removes."""

    state: JobState
    state_reason: str | None
    stop: Stop | None
    gen: int
    exec: int
    total: int
    plan_ref: str
    reopen_ref: str
    lane: Lane
    base_finals: int
    cursor: int
    unsent_of: str | None
    token: str | None
    final_counts: Counts | None
    started_at: datetime | None
    finished_at: datetime | None
    deadline_at: datetime | None
    next_check_at: datetime | None
    checks: int
    results_ref: str
    resent_at: datetime
    held_until: datetime | None
    asked_until: datetime | None
    opens_at: datetime | None
    expires_at: datetime
    usage: Usage
    events: tuple[TimelineEvent, ...]
    happened: TimelineEvent
    """Appended to `events`, which must not be set by the same write."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobGuard:
    """The condition of a write to JOB: the row exists and each given attribute matches."""

    gen: int | None = None
    exec: int | None = None
    cursor: int | None = None
    states: frozenset[JobState] | None = None
    next_check_at: datetime | None = None
    unplanned: bool = False
    """No plan_ref yet: of several plans that were made of one job, the first one written is its plan."""
    unasked_at: datetime | None = None
    """No `asked_until` after this moment."""


@dataclass(frozen=True, slots=True)
class Refused:
    """A task's row did not stand as expected; `row` is the one that does (None where there is none)."""

    row: TaskRow | None


class Store(FleetStore, HoldStore, InsightStore, KeyStore, Protocol):
    """Jobs, tasks, progress, outbox, workers and keys, with DynamoDB's semantics."""

    # JOB and ROOT
    def put_job(self, job: Job) -> bool:
        """Create JOB; False where it is there."""
        ...

    def get_job(self, job_id: str) -> Job | None:
        """Read JOB."""
        ...

    def get_job_and_root(self, job_id: str) -> tuple[Job, Root] | None:
        """Read JOB and ROOT by one query; an absent ROOT is an empty one."""
        ...

    def get_job_and_leaf(self, job_id: str, leaf: int) -> tuple[Job, Leaf | None] | None:
        """Read JOB and one leaf by one request; which of the two was read first is not known."""
        ...

    def get_jobs_and_roots(self, job_ids: Sequence[str]) -> list[tuple[Job, Root]]:
        """Read up to 50 jobs in the given order (eventually consistent); gone ones are left out."""
        ...

    def update_job(self, job_id: str, guard: JobGuard, **changes: Unpack[JobChanges]) -> Job | None:
        """Change JOB where `guard` holds and return it as it then is, else None."""
        ...

    def list_job_ids(
        self, tenant: str, state: JobState | None, limit: int, before: str | None
    ) -> list[str]:
        """List a tenant's jobs, newest first, `before` excluded (eventually consistent)."""
        ...

    def list_due_jobs(self, now: datetime, limit: int) -> list[str]:
        """List non-final jobs whose next_check_at has come (eventually consistent)."""
        ...

    def get_root(self, job_id: str) -> Root:
        """Read ROOT; an absent one is empty."""
        ...

    def push_node(
        self, job_id: str, node: int, packed: int, now: datetime, expires_at: datetime
    ) -> Root:
        """Set nNN where absent or smaller, pushed_at, ADD pushes 1; return ROOT as it then stands."""
        ...

    def set_running(
        self, job_id: str, first: int, retry: int, as_of: datetime, if_before: datetime
    ) -> bool:
        """Set ROOT.running_* where running_as_of is absent or earlier than `if_before`."""
        ...

    # LEAF and NODE
    def create_leaves(self, job_id: str, leaves: Iterable[int], expires_at: datetime) -> None:
        """Put empty leaves of gen 1 where absent."""
        ...

    def get_leaf(self, job_id: str, leaf: int) -> Leaf | None:
        """Read one leaf."""
        ...

    def get_node_leaves(self, job_id: str, node: int) -> dict[int, Leaf]:
        """Read all leaves of a node that exist, by leaf number."""
        ...

    def add_to_leaf(
        self,
        job_id: str,
        leaf: int,
        gen: int,
        adds: Mapping[SetName, frozenset[int]],
        expires_at: datetime,
    ) -> Leaf | None:
        """ADD offsets and 1 to ver, if ((absent and gen = 1) or leaf.gen = gen) and not closed."""
        ...

    def reopen_leaf(
        self, job_id: str, leaf: int, gen: int, chosen: frozenset[int], expires_at: datetime
    ) -> Leaf | None:
        """Take `chosen` out of failed, cancelled and skipped, add them to retry, remove closed, set gen,
        1 to ver; if leaf.gen < gen and closed = done.
        """
        ...

    def begin_close(
        self, job_id: str, leaf: int, gen: int, expires_at: datetime, *, full: bool = False
    ) -> Leaf | None:
        """Set closed = closing (`full`: done) and gen, 1 to ver; if absent, or open and leaf.gen <= gen."""
        ...

    def end_close(
        self,
        job_id: str,
        leaf: int,
        gen: int,
        adds: Mapping[SetName, frozenset[int]],
        expires_at: datetime,
    ) -> Leaf | None:
        """ADD offsets, closed = done, 1 to ver; if closed = closing and leaf.gen = gen."""
        ...

    def stamp_leaf(self, job_id: str, leaf: int, gen: int, expires_at: datetime) -> Leaf | None:
        """Set gen; if closed and leaf.gen < gen. Counts do not change, ver does."""
        ...

    def get_nodes(self, job_id: str, nodes: Sequence[int]) -> dict[int, Node]:
        """Read the nodes that exist."""
        ...

    def push_leaves(
        self, job_id: str, packed: Mapping[int, int], expires_at: datetime, calls: int = 0
    ) -> Node:
        """Set the slots of leaves of one node where absent or smaller, ADD ver 1 a write and `calls`.

        Return NODE as it then stands.
        """
        ...

    # TASK
    def get_tasks(self, job_id: str, indexes: Sequence[int]) -> dict[int, TaskRow]:
        """Read the rows that exist, any number of them."""
        ...

    def get_leaf_tasks(self, job_id: str, leaf: int) -> dict[int, TaskRow]:
        """Read all rows of a leaf."""
        ...

    def write_tasks(self, writes: Sequence[TaskWrite]) -> list[Refused | None]:
        """Write rows, each on its own condition; None in the place of each that was written."""
        ...

    def add_start(
        self, job_id: str, index: int, gen: int, attempt: int, key: str, expires_at: datetime
    ) -> TaskRow | None:
        """ADD `key` to starts if the row is of this gen and attempt and not final; an absent row is made
        (PENDING) where both are 1. Return the row, None where refused.
        """
        ...

    def refund_start(self, job_id: str, index: int, gen: int, attempt: int, key: str) -> None:
        """DELETE `key` from starts, if the row is of this gen and attempt."""
        ...

    # OUTBOX, GIVEN, IDEM
    def put_outbox(self, items: Sequence[Outbox]) -> None:
        """Put items (unprocessed ones again, until all are)."""
        ...

    def delete_outbox(self, items: Sequence[Outbox]) -> None:
        """Delete items; absent ones are fine."""
        ...

    def list_outbox(self, minute: int, limit: int) -> list[Outbox]:
        """List items filed under `minute` (of the epoch): the minute of due_at, plus 1; all shards."""
        ...

    def get_sweep_minute(self) -> int | None:
        """Read up to which minute the outbox has been swept."""
        ...

    def put_sweep_minute(self, minute: int) -> None:
        """Write it."""
        ...

    def get_given(self, message_ids: Sequence[str]) -> dict[str, frozenset[int]]:
        """Read which tasks of each message are no longer its own; one that gave nothing back is absent."""
        ...

    def add_given(self, message_id: str, given: frozenset[int], expires_at: datetime) -> None:
        """ADD to the tasks that are no longer this message's own."""
        ...

    def put_idem(self, idem: Idem) -> Idem:
        """Create, or return the one that is there."""
        ...


class Objects(Protocol):
    """One S3 bucket."""

    def put(self, key: str, body: bytes, content_type: str) -> None:
        """Write an object."""
        ...

    def get(self, key: str) -> bytes | None:
        """Read an object whole; None where there is none."""
        ...

    def get_range(self, key: str, start: int, stop: int) -> bytes:
        """Read bytes [start, stop) of an object that exists."""
        ...

    def get_many(self, keys: Sequence[str]) -> list[bytes | None]:
        """Read objects in parallel, in the given order."""
        ...

    def link(self, key: str, seconds: int) -> str:
        """Return a presigned GET URL."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """A message to send; `group` (the job) is the fair queue's MessageGroupId."""

    body: str
    group: str
    lane: Lane = Lane.ORDINARY
    delay_seconds: int = 0


class Queue(Protocol):
    """The task queues, one a lane."""

    def send(self, messages: Sequence[Outgoing]) -> None:
        """Send all, in batches by count and bytes; failed entries alone are tried again. Raises SendFailed."""
        ...


class Machine(Protocol):
    """The state machine."""

    def start(self, job_id: str, gen: int, exec: int) -> None:
        """Start the execution `{job}-{gen}-{exec}`; one that is there already is fine."""
        ...

    def status(self, job_id: str, gen: int, exec: int) -> str | None:
        """Return its status (RUNNING, SUCCEEDED, FAILED, TIMED_OUT, ABORTED), None where absent."""
        ...

    def stop(self, job_id: str, gen: int, exec: int, cause: str) -> None:
        """Stop it; one that has ended is fine."""
        ...

    def send_success(self, token: str, output: Mapping[str, object]) -> bool:
        """Give a waiting task its output; False where the token is used up or too old."""
        ...


class Journal(Protocol):
    """Structured logs and metrics."""

    def event(self, name: str, **fields: object) -> None:
        """Log one line."""
        ...

    def count(self, metric: str, value: int = 1, **dimensions: str) -> None:
        """Add to a metric."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What each tenant may have; 0 is no limit of its own.

    `express_tasks`: the most that a job may have to take the express lane; 0: none takes it.
    """

    active_jobs: int = 0
    queued_tasks: int = 0
    tasks_per_job: int = MAX_TASKS
    express_tasks: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Deps:
    """All that a use case may reach."""

    store: Store
    data: Objects
    results: Objects
    sources: Sources
    queue: Queue
    machine: Machine
    journal: Journal
    enqueue_later: Callable[[str, int], None]
    """(job_id, gen): invoke EnqueueTasks asynchronously."""
    now: Callable[[], datetime]
    new_id: Callable[[], str]
    """A new ULID."""
    random: Callable[[], float]
    """A number in [0, 1): the jitter."""
    new_secret: Callable[[], str]
    """32 random bytes as URL-safe text."""
    cursor_key: Callable[[], bytes]
    """The key that signs list cursors."""
    retention: timedelta
    message_retention: timedelta = timedelta(days=12)
    limits: Limits = field(default_factory=Limits)
    cache: dict[str, object] = field(default_factory=dict)
    """What never changes once written (plans, parameters), by key, for the life of the process."""
