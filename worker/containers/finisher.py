"""End a container: its log and its result to S3, the Job away where it must be, then one last word."""

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Iterable

from orchestrator.model.states import Outcome
from orchestrator.model.wire import RESULT_INLINE_MAX_BYTES
from worker.clock import Clock
from worker.containers.identity import CONTAINER_NAME
from worker.containers.ports import Cluster, Files, Refused
from worker.containers.run import Run
from worker.containers.settings import ContainerSettings
from worker.containers.verdict import Over
from worker.ending import Ending, failed, message_of
from worker.entries import GiveBack, RunReport
from worker.invoke import RESULT_MAX_BYTES, BadResult, encode_result
from worker.log import Log
from worker.metrics import Meters
from worker.ports import Unavailable
from worker.reporter import Reporter

MESSAGE_MAX_BYTES = 4096
"""Kubernetes cuts a termination message there."""
_LOG_TRIES = 3
_LARGE_AT_ONCE = 3
"""Logs and results are held in memory, tens of MiB each, beside what the slots' processes need."""


class Finisher:
    """Each method may be repeated; each raises Unavailable and Refused where another try may work."""

    def __init__(
        self,
        *,
        cluster: Cluster,
        files: Files,
        settings: ContainerSettings,
        reporter: Reporter,
        meters: Meters,
        log: Log,
        clock: Clock,
    ) -> None:
        self._cluster = cluster
        self._files = files
        self._settings = settings
        self._reporter = reporter
        self._meters = meters
        self._log = log
        self._clock = clock
        self._large = threading.Semaphore(_LARGE_AT_ONCE)

    def finish(self, run: Run, over: Over) -> None:
        """Settle a run that is over."""
        if over.outcome is Outcome.INTERRUPTED:
            self._give_back(run, over)
        else:
            self._report(run, over)

    def cancel(self, run: Run) -> None:
        """End a run that nobody wants any more."""
        self._cluster.delete_job(run.name)
        self._meters.left(run.held.message.handler, "dropped", 1)
        self._log.info("container_cancelled", **run.names)
        self._reporter.drop(run.held, [run.identity.index])

    def _give_back(self, run: Run, over: Over) -> None:
        """Have the task begin again, at the cost of nobody, as often as interruptions may be."""
        self._cluster.delete_job(run.name)
        self._meters.left(run.held.message.handler, "interrupted", 1)
        self._log.info("container_interrupted", reason=over.message, **run.names)
        indexes = [run.identity.index]
        self._reporter.give_back(
            GiveBack(held=run.held, indexes=indexes, interrupted=indexes, split=False)
        )

    def _report(self, run: Run, over: Over) -> None:
        with self._large:
            self._keep_log(run, over)
            ending, result_ref = self._ending(run, over)
        if not over.job_stays:
            self._cluster.delete_job(run.name)
        now = self._clock()
        duration_ms = over.duration_ms or round((now - run.began_at) * 1000)
        self._meters.finished(run.held.message.handler, ending.outcome, duration_ms)
        error = ending.error.type if ending.error else None
        self._log.info("container_ended", outcome=ending.outcome, error_type=error, **run.names)
        self._reporter.report(
            RunReport(
                held=run.held,
                index=run.identity.index,
                run_id=run.run_id,
                ending=ending,
                duration_ms=duration_ms,
                ended_at=now,
                result_ref=result_ref,
                log_ref=run.log_ref,
            )
        )

    # The log

    def _keep_log(self, run: Run, over: Over) -> None:
        """Copy the end of the log; a run whose log cannot be had is reported without."""
        if over.pod is None or run.log_ref is not None or run.log_tries >= _LOG_TRIES:
            return
        run.log_tries += 1
        try:
            chunks = self._cluster.pod_log(over.pod, CONTAINER_NAME)
            body = tail(chunks, self._settings.log_bytes)
        except Refused as error:
            self._log.info("log_not_read", reason=str(error), **run.names)
            return
        except Unavailable as error:
            self._log.warning("log_not_read", reason=str(error), **run.names)
            if run.log_tries < _LOG_TRIES:
                raise
            return
        if body:
            self._files.put(run.key(".log"), body, "text/plain; charset=utf-8")
            run.log_ref = run.key(".log")

    # The result

    def _ending(self, run: Run, over: Over) -> tuple[Ending, str | None]:
        if over.outcome is not Outcome.SUCCEEDED:
            ending = failed(
                over.outcome,
                over.type,
                over.message,
                retryable=over.retryable,
                exit_code=over.exit_code,
            )
            return ending, None
        try:
            result = self._result(run, over.text)
        except BadResult as error:
            return failed(Outcome.BAD_RESULT, "BadResult", message_of(error)), None
        ending = Ending(outcome=Outcome.SUCCEEDED, result=result)
        if len(result) <= RESULT_INLINE_MAX_BYTES:
            return ending, None
        # Not the object that the container put: its link lives on, and what is committed must not change.
        self._files.put(run.key(".json"), result, "application/json")
        return ending, run.key(".json")

    def _result(self, run: Run, text: str) -> bytes:
        """Return the result as JSON. Raises BadResult."""
        uploaded = self._files.read(run.key(".upload"), RESULT_MAX_BYTES + 1)
        if uploaded is None:
            return encode_result(_of_message(text))
        if len(uploaded) > RESULT_MAX_BYTES:
            raise BadResult(f"the result is larger than {RESULT_MAX_BYTES} bytes")
        try:
            return encode_result(json.loads(uploaded))
        except (ValueError, RecursionError) as error:
            raise BadResult(
                f"what was put to TASK_RESULT_URL is no JSON: {message_of(error)}"
            ) from error


def _of_message(text: str) -> object:
    """Return what a termination message says: JSON, or else the text itself."""
    if not text.strip():
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        if len(text.encode()) >= MESSAGE_MAX_BYTES:
            raise BadResult(
                f"the termination message was cut at {MESSAGE_MAX_BYTES} bytes: "
                "put the result to TASK_RESULT_URL"
            ) from None
        return text


def tail(chunks: Iterable[bytes], limit: int) -> bytes:
    """Return the last `limit` bytes of a stream, in memory of not much more."""
    kept, size = deque[bytes](), 0
    for chunk in chunks:
        kept.append(chunk)
        size += len(chunk)
        while size - len(kept[0]) >= limit:
            size -= len(kept.popleft())
    if kept:
        kept[0] = kept[0][max(0, size - limit) :]
    return b"".join(kept)
