"""Heartbeats: who runs what, which handlers exist, and in the answer which jobs have stopped."""

from __future__ import annotations

import threading
import traceback
from collections.abc import Callable, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from orchestrator.model.schemas import schemas_digest
from orchestrator.model.wire import HeartbeatIn, HeartbeatOut, RunningTask
from worker.admission import Admission
from worker.backoff import Backoff
from worker.clock import Clock
from worker.health import Pulse
from worker.jobs import Jobs, Verdict, judge
from worker.leases import Leases
from worker.log import Log
from worker.ports import ApiRefused, Unavailable, WorkApi
from worker.touched import TouchedNodes

BUSY_SECONDS = 15.0
IDLE_SECONDS = 60.0
NEW_JOB_SECONDS = 1.0
_JOBS_MAX = 1_000


class Heart:
    """One thread that beats: often while there is work, soon after work of a new job began."""

    def __init__(
        self,
        *,
        worker_id: str,
        api: WorkApi,
        jobs: Jobs,
        leases: Leases,
        touched: TouchedNodes,
        admission: Admission,
        running: Callable[[], Sequence[RunningTask]],
        slots: int,
        log: Log,
        clock: Clock,
        pulse: Pulse,
    ) -> None:
        self._pulse = pulse
        self._worker_id = worker_id
        self._api = api
        self._jobs = jobs
        self._leases = leases
        self._touched = touched
        self._admission = admission
        self._running = running
        self._slots = slots
        self._handlers: list[str] = []
        self._schemas: dict[str, dict[str, Any]] = {}
        self._schemas_digest: str | None = None
        self._schemas_wanted = False
        self._log = log
        self._clock = clock
        self._backoff = Backoff(base_seconds=0.5)
        self._changed = threading.Condition()
        self._next_at = clock()
        self._seen: dict[str, None] = {}
        self._draining = False
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)

    def start(self, handlers: list[str], schemas: dict[str, dict[str, Any]]) -> None:
        """Start beating, at once. `schemas` are those of handlers' inputs, within their limits."""
        self._handlers = handlers
        self._schemas = schemas
        self._schemas_digest = schemas_digest(schemas) if schemas else None
        self._thread.start()

    def note_job(self, job_id: str) -> None:
        """Work of a job begins: a beat follows, soon if the job is new, so that it shows as running."""
        if job_id not in self._seen:
            with self._changed:
                self._seen[job_id] = None
                while len(self._seen) > _JOBS_MAX:
                    del self._seen[next(iter(self._seen))]
            self._beat_within(NEW_JOB_SECONDS)
        elif self._next_at - self._clock() > BUSY_SECONDS:
            self._beat_within(BUSY_SECONDS)

    def drain(self) -> None:
        """Tell at once that the worker is ending."""
        self._draining = True
        self._beat_within(0)

    def close(self, timeout_seconds: float) -> None:
        """End the thread after a last beat, which says that nothing runs here any more."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        if self._thread.is_alive():
            self._thread.join(timeout_seconds)

    def _beat_within(self, seconds: float) -> None:
        with self._changed:
            self._next_at = min(self._next_at, self._clock() + seconds)
            self._changed.notify_all()

    def _run(self) -> None:
        self._pulse.begin()
        while self._wait_for_next():
            self._pulse.beat()
            self._beat_surely()
        self._beat_surely()
        self._pulse.end()

    def _beat_surely(self) -> None:
        try:
            self.beat()
        except Exception:
            self._log.error("heartbeat_failed", traceback=traceback.format_exc()[-3000:])

    def _wait_for_next(self) -> bool:
        with self._changed:
            while not self._closed and (wait := self._next_at - self._clock()) > 0:
                self._changed.wait(wait)
            self._next_at = self._clock() + self._interval()
            return not self._closed

    def _interval(self) -> float:
        return BUSY_SECONDS if self._leases.all() or self._touched.recent() else IDLE_SECONDS

    def beat(self) -> None:
        """Send one heartbeat and heed its answer."""
        body = HeartbeatIn(
            version=worker_version(),
            slots=self._slots,
            handlers=self._handlers,
            unknown_handlers=self._admission.unknown_handlers,
            draining=self._draining,
            running=list(self._running()),
            touched=self._touched.recent(),
            schemas_digest=self._schemas_digest,
            schemas=self._schemas if self._schemas_wanted else None,
        )
        try:
            answer = self._api.heartbeat(self._worker_id, body)
        except (Unavailable, ApiRefused) as error:
            self._log.warning("heartbeat_failed", reason=str(error))
            if isinstance(error, Unavailable):
                self._beat_within(self._backoff.next_seconds())
            return
        self._backoff.reset()
        self._note_wanted(answer, told=body.schemas is not None)
        self._jobs.learn_states(answer.jobs)
        for held in self._leases.all():
            status = answer.jobs.get(held.message.job)
            if judge(held.message, status) is Verdict.DROP and not held.orders.cancelled:
                self._log.info("cancelled", state=status and status.state, **held.names)
                held.orders.cancel()

    def _note_wanted(self, answer: HeartbeatOut, *, told: bool) -> None:
        """Tell the schemas soon where they are asked for; those that were just told, with the next beat."""
        self._schemas_wanted = answer.schemas_wanted
        if answer.schemas_wanted and not told:
            self._beat_within(NEW_JOB_SECONDS)


def worker_version() -> str:
    """Return the installed version, "source" where the worker runs from a checkout."""
    try:
        return version("job-orchestrator")
    except PackageNotFoundError:
        return "source"
