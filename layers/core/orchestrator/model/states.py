"""The states of jobs and tasks and the one table of transitions; docs/states.md is drawn from it."""

from __future__ import annotations

from enum import StrEnum


class JobState(StrEnum):
    """What a job is doing."""

    CREATED = "CREATED"
    ENQUEUING = "ENQUEUING"
    PROCESSING = "PROCESSING"
    STOPPING = "STOPPING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"

    @property
    def final(self) -> bool:
        """Tell whether only a retry leaves this state."""
        return self in FINAL_JOB_STATES


FINAL_JOB_STATES = frozenset({JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED})
ACTIVE_JOB_STATES = frozenset(JobState) - FINAL_JOB_STATES


class TaskState(StrEnum):
    """What a task is doing; RUNNING is derived from heartbeats and never stored."""

    PENDING = "PENDING"
    RUNNING = "RUNNING"
    RETRYING = "RETRYING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"
    SKIPPED = "SKIPPED"

    @property
    def final(self) -> bool:
        """Tell whether only a retry of the job leaves this state."""
        return self in FINAL_TASK_STATES


FINAL_TASK_STATES = frozenset(
    {TaskState.SUCCEEDED, TaskState.FAILED, TaskState.CANCELLED, TaskState.SKIPPED}
)


class Outcome(StrEnum):
    """How one run of a task ended, as the worker saw it; the control plane says worker_lost and interrupted."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    TIMED_OUT = "timed_out"
    OUT_OF_MEMORY = "out_of_memory"
    CRASHED = "crashed"
    BAD_RESULT = "bad_result"
    WORKER_LOST = "worker_lost"
    INTERRUPTED = "interrupted"
    CANCELLED = "cancelled"


class StopReason(StrEnum):
    """Why a job was told to stop."""

    CANCEL = "cancel"
    DEADLINE = "deadline"
    TOLERANCE = "tolerance"
    ORCHESTRATION = "orchestration"


class JobEvent(StrEnum):
    """What moves a job from one state to the next."""

    PLANNED = "planned"
    ENQUEUED = "enqueued"
    STOPPED = "stopped"
    BAD_INPUT = "bad input"
    FINISHED_SUCCEEDED = "finished: failures within tolerance"
    FINISHED_FAILED = "finished: too many failures"
    FINISHED_CANCELLED = "finished: cancelled"
    RETRIED = "retried"


class TaskEvent(StrEnum):
    """What moves a task from one state to the next."""

    STARTED = "started"
    SUCCEEDED = "reported: succeeded"
    FAILED = "reported: failed, no attempt left"
    RETRY = "reported: failed, to be retried"
    LOST = "worker lost or drained"
    CANCELLED = "job cancelled"
    SKIPPED = "job stopped"
    REOPENED = "job retried"


_J, _E = JobState, JobEvent
JOB_TRANSITIONS: dict[JobState, dict[JobEvent, JobState]] = {
    _J.CREATED: {
        _E.PLANNED: _J.ENQUEUING,
        _E.STOPPED: _J.STOPPING,
        _E.BAD_INPUT: _J.FAILED,
    },
    _J.ENQUEUING: {_E.ENQUEUED: _J.PROCESSING, _E.STOPPED: _J.STOPPING},
    _J.PROCESSING: {
        _E.STOPPED: _J.STOPPING,
        _E.FINISHED_SUCCEEDED: _J.SUCCEEDED,
        _E.FINISHED_FAILED: _J.FAILED,
    },
    _J.STOPPING: {
        _E.BAD_INPUT: _J.FAILED,
        _E.FINISHED_SUCCEEDED: _J.SUCCEEDED,
        _E.FINISHED_FAILED: _J.FAILED,
        _E.FINISHED_CANCELLED: _J.CANCELLED,
    },
    _J.SUCCEEDED: {_E.RETRIED: _J.CREATED},
    _J.FAILED: {_E.RETRIED: _J.CREATED},
    _J.CANCELLED: {_E.RETRIED: _J.CREATED},
}

_T, _V = TaskState, TaskEvent
_ENDS = {
    _V.SUCCEEDED: _T.SUCCEEDED,
    _V.FAILED: _T.FAILED,
    _V.RETRY: _T.RETRYING,
    _V.CANCELLED: _T.CANCELLED,
    _V.SKIPPED: _T.SKIPPED,
}
TASK_TRANSITIONS: dict[TaskState, dict[TaskEvent, TaskState]] = {
    _T.PENDING: {_V.STARTED: _T.RUNNING, **_ENDS},
    _T.RUNNING: {_V.LOST: _T.PENDING, **_ENDS},
    _T.RETRYING: {_V.STARTED: _T.RUNNING, **_ENDS},
    _T.SUCCEEDED: {},
    _T.FAILED: {_V.REOPENED: _T.RETRYING},
    _T.CANCELLED: {_V.REOPENED: _T.RETRYING},
    _T.SKIPPED: {_V.REOPENED: _T.RETRYING},
}


def states_before(event: JobEvent) -> frozenset[JobState]:
    """Return the states that `event` may find a job in: the condition of the write that carries it."""
    return frozenset(state for state, exits in JOB_TRANSITIONS.items() if event in exits)


def state_after(event: JobEvent) -> JobState:
    """Return the one state that `event` leads to; every event of the table has exactly one."""
    (target,) = {exits[event] for exits in JOB_TRANSITIONS.values() if event in exits}
    return target
