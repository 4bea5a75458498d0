"""Wire formats between control plane and workers: queue messages, claims, reports, heartbeats (v 1)."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, JsonValue, StringConstraints, model_validator

from orchestrator.model.ids import LEAF_SIZE, MAX_TASKS, leaf_of
from orchestrator.model.schemas import schemas_digest, within_limits
from orchestrator.model.states import JobState, Outcome

MESSAGE_VERSION = 1
INLINE_INPUTS_MAX_BYTES = 48 * 1024
"""Inputs above this are referenced, not carried: SQS bills a request for each 64 KB."""
RESULT_INLINE_MAX_BYTES = 700
"""Results up to this stay on the task's row, which so keeps below 1 KB, one DynamoDB write unit."""
ERROR_TYPE_MAX_CHARS = 200
ERROR_MESSAGE_MAX_CHARS = 1_000
ERROR_TRACEBACK_MAX_CHARS = 3_000
REPORTS_MAX = 250
"""In one request: a leaf's tasks, so that its sets, counts and JOB are touched once for as many as it holds."""

JobId = Annotated[str, StringConstraints(pattern=r"^[0-7][0-9A-HJKMNP-TV-Z]{25}$")]
Index = Annotated[int, Field(ge=0, lt=MAX_TASKS)]
Attempt = Annotated[int, Field(ge=1)]
Gen = Annotated[int, Field(ge=1)]
WorkerId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")]
MessageId = Annotated[str, StringConstraints(min_length=1, max_length=100)]
ReceiveCount = Annotated[int, Field(ge=1)]
Interruptions = Annotated[int, Field(ge=0)]


class Wire(BaseModel):
    """A wire type: unknown fields are refused, values are not coerced, instances do not change."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, defer_build=True)


class Answer(Wire):
    """What a worker is answered: it ignores fields that it does not know, so the API may be newer."""

    model_config = ConfigDict(extra="ignore")


class _TaskSet(Wire):
    """Tasks of one leaf, of one attempt: a half-open range, or a list of indexes."""

    job: JobId
    gen: Gen
    attempt: Attempt
    start: Index | None = None
    stop: Annotated[int, Field(ge=1, le=MAX_TASKS)] | None = None
    indexes: Annotated[list[Index], Field(min_length=1, max_length=LEAF_SIZE)] | None = None

    @model_validator(mode="after")
    def _one_leaf(self) -> Self:
        if (self.start is None) != (self.stop is None) or (self.start is None) == (
            self.indexes is None
        ):
            raise ValueError("give either start and stop, or indexes")
        tasks = self.tasks()
        if not tasks or leaf_of(tasks[0]) != leaf_of(tasks[-1]) or len(set(tasks)) != len(tasks):
            raise ValueError("the tasks of a message are distinct, ordered and of one leaf")
        return self

    def tasks(self) -> list[int]:
        """Return the indexes, ascending."""
        if self.start is not None and self.stop is not None:
            return list(range(self.start, min(self.stop, self.start + LEAF_SIZE + 1)))
        return sorted(self.indexes or [])


class InputsRef(Wire):
    """Where the inputs are: task i is line i - start of the JSONL part at `key` in the data bucket.

    Line k lies between the k-th and the k+1-th number of `key` + ".idx" (unsigned 64 bit, little-endian).
    """

    key: str
    start: Index


class TaskMessage(_TaskSet):
    """The body of an SQS message: one slot's work, its tasks run in order.

    `inputs` has one entry a task, in ascending index; with neither inputs nor inputs_ref there are none.
    `interruptions`: how often shutdowns have interrupted this attempt; absent where none has.
    `hold`: its job has max_running, so its tasks are claimed before they run, at the first delivery too.
    """

    v: Literal[1] = 1
    handler: str
    timeout_seconds: float
    inputs: list[JsonValue] | None = None
    inputs_ref: InputsRef | None = None
    interruptions: Interruptions = 0
    hold: Literal[True] | None = None


class ClaimMessage(_TaskSet):
    """A received message, as the claim names it.

    `begins` false asks only whether anything of it is left to run: no start is counted. `hold` is the
    message's: tasks that another message may run are left out.
    """

    message_id: MessageId
    receive_count: ReceiveCount
    begins: bool = True
    hold: Literal[True] | None = None


class ClaimIn(Wire):
    """Body of POST /api/v1/tasks/claim."""

    worker_id: WorkerId
    jobs: Annotated[list[JobId], Field(max_length=50)] = []
    messages: Annotated[list[ClaimMessage], Field(max_length=10)] = []


class JobInfo(Answer):
    """What a worker must know of a job. `parameters` go to every handler call."""

    gen: int
    state: JobState
    tenant: str
    request_id: str
    parameters: JsonValue = None


class Run(Answer):
    """The tasks of a message that are to be run."""

    run: list[int]


class ClaimOut(Answer):
    """Answer of a claim: an unknown job is absent; a message is either run (in part) or dropped."""

    jobs: dict[str, JobInfo]
    messages: dict[str, Run | Literal["drop"]]


class TaskError(Wire):
    """Why a run failed. `retryable` false: the handler knows that another try cannot help."""

    type: Annotated[str, StringConstraints(max_length=ERROR_TYPE_MAX_CHARS)]
    message: Annotated[str, StringConstraints(max_length=ERROR_MESSAGE_MAX_CHARS)]
    traceback: Annotated[str, StringConstraints(max_length=ERROR_TRACEBACK_MAX_CHARS)] | None = None
    retryable: bool = True
    exit_code: int | None = None


class SingleReport(Wire):
    """One run of a task: body of POST /api/v1/tasks/{task_id}/complete.

    `result` is at most 700 bytes of JSON; a larger one is put to the results bucket first and named by
    `result_ref`, a key that begins with tasks/{job}/{gen}/{index}/{run_id}. `log_ref`, where the run left a log
    there, is such a key too. Times are in milliseconds;
    `started_ago_ms` counts back from the sending, so that no worker's clock is trusted.
    """

    gen: Gen
    attempt: Attempt
    run_id: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9-]{8,64}$")]
    outcome: Annotated[Outcome, Field(strict=False)]
    result: JsonValue = None
    result_ref: Annotated[str, StringConstraints(max_length=300)] | None = None
    log_ref: Annotated[str, StringConstraints(max_length=300)] | None = None
    error: TaskError | None = None
    started_ago_ms: Annotated[int, Field(ge=0)] = 0
    duration_ms: Annotated[int, Field(ge=0)] = 0


class Report(SingleReport):
    """One run of a task, in a batch."""

    job: JobId
    index: Index


class Unstarted(_TaskSet):
    """Tasks of a message that the worker gives back; `interrupted` had begun and are refunded their start.

    `split`: send them again as single tasks (the message was slow), not as one message (draining).
    `interruptions` is the message's number.
    """

    message_id: MessageId
    receive_count: ReceiveCount
    interrupted: list[Index] = []
    interruptions: Interruptions = 0
    split: bool = False


Touched = dict[JobId, list[Annotated[int, Field(ge=0, lt=63)]]]
"""Nodes by job that a worker reported to of late; their counts are pushed again (PROTOCOL, step 6)."""


class CompleteIn(Wire):
    """Body of POST /api/v1/tasks/complete."""

    # Without a repr: Powertools renders what it calls a route with for its debug log, also where there is none.
    worker_id: WorkerId
    reports: Annotated[list[Report], Field(max_length=REPORTS_MAX, repr=False)] = []
    unstarted: Annotated[list[Unstarted], Field(max_length=REPORTS_MAX, repr=False)] = []


ReportStatus = Literal["committed", "duplicate", "stale", "closed", "invalid"]
"""committed: this run counts. duplicate: another run of this attempt did. stale: a newer attempt or
generation exists. closed: the job or the task's leaf is closed. invalid: the result breaks a limit; the
worker reports the task again as bad_result."""
GiveBackStatus = Literal["given", "failed"]


class CompleteOut(Answer):
    """Answer of a completion, always 200: a status a report, in the order of the request."""

    reports: list[ReportStatus]
    unstarted: dict[str, GiveBackStatus]


class RunningTask(Wire):
    """A task that a worker runs now. `progress` is 0..1, as the handler says."""

    job: JobId
    index: Index
    attempt: Attempt
    since_ms: Annotated[int, Field(ge=0)]
    progress: Annotated[float, Field(ge=0, le=1)] | None = None


class HeartbeatIn(Wire):
    """Body of POST /api/v1/workers/{worker_id}/heartbeat; each 15 s, each 60 s when idle.

    `schemas_digest` names the set of JSON schemas of the handlers' inputs; `schemas` is that set, sent only
    after an answer has asked for it: at most 50 handlers, 8 KB each, 32 KB in all.
    """

    version: str
    slots: Annotated[int, Field(ge=1, le=10_000)]
    handlers: Annotated[list[str], Field(max_length=500)]
    unknown_handlers: Annotated[list[str], Field(max_length=50)] = []
    draining: bool = False
    running: Annotated[list[RunningTask], Field(max_length=10_000)] = []
    touched: Touched = {}
    schemas_digest: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")] | None = None
    schemas: dict[str, dict[str, JsonValue]] | None = None

    @model_validator(mode="after")
    def _bounded_and_named(self) -> Self:
        """Refuse a set under another's name: all workers that name it would seem to have it."""
        if self.schemas is None:
            return self
        _, left_out = within_limits(self.schemas)
        if left_out:
            raise ValueError(f"schemas: {next(iter(left_out.values()))}")
        if schemas_digest(self.schemas) != self.schemas_digest:
            raise ValueError("schemas_digest does not name these schemas")
        return self


class JobStatus(Answer):
    """What a heartbeat's answer says of a job that the worker runs."""

    gen: int
    state: JobState


class HeartbeatOut(Answer):
    """Answer of a heartbeat: cancel reaches handlers this way.

    `schemas_wanted`: the set that `schemas_digest` named is not known; send it with the next heartbeat.
    """

    jobs: dict[str, JobStatus]
    schemas_wanted: bool = False
