"""The executor of a slot: fetch the inputs, run the tasks, settle each by exactly one of four ways."""

from __future__ import annotations

import secrets
import time
from collections import Counter
from collections.abc import Callable
from itertools import count

from orchestrator.model.states import Outcome
from orchestrator.model.wire import RESULT_INLINE_MAX_BYTES, RunningTask
from worker.api import Json
from worker.backoff import Backoff, growing_seconds
from worker.ending import failed
from worker.entries import GiveBack, RunReport
from worker.held import Held
from worker.inputs import inputs_of
from worker.leases import Leases
from worker.log import Log
from worker.metrics import Meters
from worker.pool.children import Children
from worker.pool.conversation import Limits
from worker.pool.events import Batch, Dropped, Event, Finished, Lost, Returned, Run
from worker.pool.execution import Execution
from worker.pool.output import TaskOutput
from worker.ports import Buckets, Unavailable
from worker.reporter import Reporter

_INPUTS_FIRST_SECONDS = 10.0
_INPUTS_MAX_SECONDS = 300.0
_PROCESS = secrets.token_hex(12)
_numbers = count(1)


class Executor:
    """Runs one message at a time."""

    def __init__(
        self,
        *,
        children: Children,
        limits: Limits,
        buckets: Buckets,
        leases: Leases,
        reporter: Reporter,
        log: Log,
        meters: Meters,
        wait: Callable[[float], None] = time.sleep,
    ) -> None:
        self._children = children
        self._limits = limits
        self._buckets = buckets
        self._leases = leases
        self._reporter = reporter
        self._log = log
        self._meters = meters
        self._wait = wait
        self._current: tuple[Held, Execution] | None = None

    def execute(self, held: Held) -> None:
        """Run a message's tasks and settle each."""
        inputs = self._inputs(held)
        if inputs is None:
            return
        held.orders.wake = self._children.wake
        execution = Execution(
            _batch(held, inputs), held.orders, self._limits, lambda run: self._output(held, run)
        )
        endings = Counter[str]()
        self._current = (held, execution)
        try:
            for event in execution.events(self._children):
                self._settle(held, event)
                endings.update(_kinds(event))
        finally:
            self._current = None
        seconds = round(self._leases.clock() - held.began_at, 3)
        self._log.info("ran", seconds=seconds, **held.names, **endings)

    @property
    def running(self) -> RunningTask | None:
        """The task that runs now, for heartbeats."""
        current = self._current
        running = current[1].running if current else None
        if current is None or running is None:
            return None
        message, (run, since, progress) = current[0].message, running
        since_ms = max(0, round((self._children.clock() - since) * 1000))
        return RunningTask(
            job=message.job,
            index=run.index,
            attempt=message.attempt,
            since_ms=since_ms,
            progress=progress,
        )

    def _inputs(self, held: Held) -> dict[int, Json] | None:
        """Return the inputs of what is to be run; None where the message was dealt with otherwise."""
        try:
            inputs = inputs_of(held.message, self._buckets)
        except Unavailable as error:
            count = held.received.receive_count
            seconds = growing_seconds(count, _INPUTS_FIRST_SECONDS, _INPUTS_MAX_SECONDS)
            self._leases.put_back(held, seconds, f"its inputs cannot be read: {error}")
            return None
        except (FileNotFoundError, ValueError) as error:
            self._fail_all(held, f"the task's input cannot be read: {error}")
            return None
        return {index: inputs[index] for index in sorted(held.unsettled)}

    def _fail_all(self, held: Held, message: str) -> None:
        ending = failed(Outcome.FAILED, "InputMissing", message, retryable=False)
        for index in sorted(held.unsettled):
            finished = Finished(Run(index, _new_run_id(), None), ending, 0, self._children.clock())
            self._settle(held, finished)

    # Settling

    def _settle(self, held: Held, event: Event) -> None:
        self._count(held.message.handler, event)
        match event:
            case Finished():
                self._report(held, event)
            case Returned(indexes, interrupted, split):
                self._give_back(held, indexes, interrupted, split=split)
            case Dropped(indexes):
                self._reporter.drop(held, indexes)
            case Lost():
                self._reporter.forget(held)

    def _report(self, held: Held, event: Finished) -> None:
        self._log_failure(held, event)
        key = self._result_key(held, event)
        if key is not None and not self._put_result(held, key, event.ending.result or b""):
            self._give_back(held, [event.run.index], [event.run.index], split=False)
            return
        report = RunReport(
            held=held,
            index=event.run.index,
            run_id=event.run.run_id,
            ending=event.ending,
            duration_ms=event.duration_ms,
            ended_at=event.ended_at,
            result_ref=key,
        )
        self._reporter.report(report)

    def _give_back(
        self, held: Held, indexes: list[int], interrupted: list[int], *, split: bool
    ) -> None:
        self._reporter.give_back(
            GiveBack(held=held, indexes=indexes, interrupted=interrupted, split=split)
        )

    def _result_key(self, held: Held, event: Finished) -> str | None:
        """Return the key of a result that is too large to be sent along."""
        result = event.ending.result
        if result is None or len(result) <= RESULT_INLINE_MAX_BYTES:
            return None
        message = held.message
        return f"tasks/{message.job}/{message.gen}/{event.run.index}/{event.run.run_id}.json"

    def _put_result(self, held: Held, key: str, body: bytes) -> bool:
        """Put a result, for as long as the lease lives and the worker may wait."""
        backoff = Backoff()
        while self._leases.ours(held) and not (held.orders.interrupt and backoff.tries):
            try:
                self._buckets.put_result(key, body)
            except Unavailable as error:
                self._log.warning("result_not_put", key=key, reason=str(error), **held.names)
                self._wait(backoff.next_seconds())
            else:
                return True
        return False

    def _count(self, handler: str, event: Event) -> None:
        match event:
            case Finished():
                self._meters.finished(handler, event.ending.outcome, event.duration_ms)
            case Returned(indexes, interrupted):
                self._meters.left(handler, "interrupted", len(interrupted))
                self._meters.left(handler, "given_back", len(indexes) - len(interrupted))
            case Dropped(indexes):
                self._meters.left(handler, "dropped", len(indexes))
            case Lost(indexes):
                self._meters.left(handler, "lost", len(indexes))

    # The log

    def _output(self, held: Held, run: Run) -> TaskOutput:
        return TaskOutput(self._log.bind(**_task_names(held, run)))

    def _log_failure(self, held: Held, event: Finished) -> None:
        error = event.ending.error
        if error is not None:
            self._log.info(
                "failed",
                **_task_names(held, event.run),
                outcome=event.ending.outcome,
                error_type=error.type,
                duration_ms=event.duration_ms,
            )


def _new_run_id() -> str:
    """Return an id that no other run has: random for the process, counted within it."""
    return f"{_PROCESS}-{next(_numbers):x}"


def _batch(held: Held, inputs: dict[int, Json]) -> Batch:
    message = held.message
    return Batch(
        job=message.job,
        gen=message.gen,
        attempt=message.attempt,
        handler=message.handler,
        parameters=held.info.parameters if held.info else None,
        timeout_seconds=message.timeout_seconds,
        receive_count=held.received.receive_count,
        sent_at_ms=held.received.sent_at_ms,
        interruptions=message.interruptions,
        runs=tuple(Run(index, _new_run_id(), value) for index, value in inputs.items()),
    )


def _task_names(held: Held, run: Run) -> dict[str, object]:
    names = {name: value for name, value in held.names.items() if name != "tasks"}
    return {**names, "task_id": f"{held.message.job}-{run.index}", "run_id": run.run_id}


def _kinds(event: Event) -> dict[str, int]:
    match event:
        case Finished():
            return {event.ending.outcome.value: 1}
        case Returned(indexes):
            return {"given_back": len(indexes)}
        case Dropped(indexes):
            return {"dropped": len(indexes)}
        case Lost(indexes):
            return {"lost": len(indexes)}
