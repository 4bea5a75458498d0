"""What waits to be told to the control plane: how a run ended, or which tasks go back."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Self

from orchestrator.errors import cut
from orchestrator.model.states import Outcome
from orchestrator.model.wire import (
    ERROR_MESSAGE_MAX_CHARS,
    ERROR_TRACEBACK_MAX_CHARS,
    ERROR_TYPE_MAX_CHARS,
    Report,
    TaskError,
    Unstarted,
)
from worker.ending import Ending, Failure, failed
from worker.held import Held


@dataclass(frozen=True, slots=True, kw_only=True)
class RunReport:
    """How one run of a task ended, at `ended_at` on the worker's clock.

    `ending.result` is sent along unless `result_ref` names an object that holds it.
    """

    held: Held
    index: int
    run_id: str
    ending: Ending
    duration_ms: int
    ended_at: float
    result_ref: str | None = None
    log_ref: str | None = None

    def wire(self, now: float) -> Report:
        """Return the report; its times count back from now, so no wall clock is trusted."""
        message, ending = self.held.message, self.ending
        inline = ending.result if self.result_ref is None else None
        return Report(
            job=message.job,
            gen=message.gen,
            index=self.index,
            attempt=message.attempt,
            run_id=self.run_id,
            outcome=ending.outcome,
            result=None if inline is None else json.loads(inline),
            result_ref=self.result_ref,
            log_ref=self.log_ref,
            error=_wire_error(ending.error) if ending.error else None,
            started_ago_ms=max(0, round((now - self.ended_at) * 1000)) + self.duration_ms,
            duration_ms=self.duration_ms,
        )

    def as_bad_result(self, reason: str) -> RunReport:
        """Return what is reported instead of a report that the control plane found invalid."""
        ending = failed(Outcome.BAD_RESULT, "BadResult", reason)
        return replace(self, ending=ending, result_ref=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class GiveBack:
    """Tasks of a message that go back to the queue; `interrupted` ones had begun."""

    held: Held
    indexes: list[int]
    interrupted: list[int]
    split: bool

    @classmethod
    def whole(cls, held: Held) -> Self:
        """Return what gives back a message of which nothing began; the control plane undoes its claim."""
        return cls(held=held, indexes=sorted(held.unsettled), interrupted=[], split=False)

    def wire(self) -> Unstarted:
        """Return the wire form."""
        message = self.held.message
        return Unstarted(
            job=message.job,
            gen=message.gen,
            attempt=message.attempt,
            indexes=sorted(self.indexes),
            message_id=self.held.received.message_id,
            receive_count=self.held.received.receive_count,
            interrupted=sorted(self.interrupted),
            interruptions=message.interruptions,
            split=self.split,
        )


type Entry = RunReport | GiveBack


def _wire_error(error: Failure) -> TaskError:
    return TaskError(
        type=cut(_unicode(error.type), ERROR_TYPE_MAX_CHARS),
        message=cut(_unicode(error.message), ERROR_MESSAGE_MAX_CHARS),
        traceback=error.traceback and _unicode(error.traceback)[-ERROR_TRACEBACK_MAX_CHARS:],
        retryable=error.retryable,
        exit_code=error.exit_code,
    )


def _unicode(text: str) -> str:
    """Return text that can be sent: a name of a file that is not UTF-8 is shown with escapes."""
    return text.encode(errors="backslashreplace").decode()
