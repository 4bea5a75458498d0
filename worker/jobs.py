"""What the worker knows of jobs, and what that says about a message."""

from __future__ import annotations

import threading
from enum import Enum, auto

from orchestrator.model.states import JobState
from orchestrator.model.wire import JobInfo, JobStatus, TaskMessage
from worker.clock import Clock

FRESH_SECONDS = 10.0
_JOBS_MAX = 1_000


class Verdict(Enum):
    """What is to be done with a message. UNKNOWN: what is known of its job is older than it."""

    RUN = auto()
    DROP = auto()
    UNKNOWN = auto()


def judge(message: TaskMessage, info: JobInfo | JobStatus | None) -> Verdict:
    """Decide by generation first: a "final" of an older generation says nothing of a newer message."""
    if info is None or info.gen < message.gen:
        return Verdict.UNKNOWN
    over = info.state.final or info.state is JobState.STOPPING
    return Verdict.DROP if info.gen > message.gen or over else Verdict.RUN


class Jobs:
    """Job infos by job, each with its age. Safe to use from all threads."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._known: dict[str, tuple[JobInfo, float]] = {}

    def get(self, job_id: str) -> JobInfo | None:
        """Return what is known, however old."""
        known = self._known.get(job_id)
        return known[0] if known else None

    def must_ask(self, message: TaskMessage) -> bool:
        """Tell whether a message needs news of its job first."""
        known = self._known.get(message.job)
        if known is None or message.gen > known[0].gen:
            return True
        return self._clock() - known[1] > FRESH_SECONDS

    def learn(self, infos: dict[str, JobInfo]) -> None:
        """Keep what a claim said."""
        with self._lock:
            for job_id, info in infos.items():
                self._known.pop(job_id, None)
                self._known[job_id] = (info, self._clock())
            while len(self._known) > _JOBS_MAX:
                del self._known[next(iter(self._known))]

    def learn_states(self, states: dict[str, JobStatus]) -> None:
        """Keep what a heartbeat said, never older news."""
        with self._lock:
            for job_id, status in states.items():
                known = self._known.get(job_id)
                if known is not None and known[0].gen <= status.gen:
                    news = known[0].model_copy(update={"gen": status.gen, "state": status.state})
                    self._known[job_id] = (news, known[1])
