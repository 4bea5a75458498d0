"""How one run of a task ended, as plain values that both sides of the pipe to a child know."""

from __future__ import annotations

import traceback as tracebacks
from dataclasses import dataclass
from types import TracebackType

from orchestrator.model.states import Outcome

TEXT_MAX_CHARS = 8_000
"""Bound of a text that crosses the pipe; the wire's own limits, which are lower, cut it later."""
_FRAMES_MAX = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why a run failed. `retryable` false: the handler knows that another try cannot help."""

    type: str
    message: str
    traceback: str | None = None
    retryable: bool = True
    exit_code: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How a run ended: `result` is JSON in UTF-8, else `error` says why there is none."""

    outcome: Outcome
    result: bytes | None = None
    error: Failure | None = None


def failed(
    outcome: Outcome,
    type: str,
    message: str,
    *,
    retryable: bool = True,
    exit_code: int | None = None,
) -> Ending:
    """Return an ending without a traceback."""
    failure = Failure(type=type, message=message, retryable=retryable, exit_code=exit_code)
    return Ending(outcome=outcome, error=failure)


def raised(error: BaseException, outcome: Outcome = Outcome.FAILED) -> Ending:
    """Return the ending of a run that let `error` escape, with the tail of its traceback."""
    code = error.code if isinstance(error, SystemExit) else None
    failure = Failure(
        type=type(error).__name__[:TEXT_MAX_CHARS],
        message=message_of(error)[:TEXT_MAX_CHARS],
        traceback=_traceback(error)[-TEXT_MAX_CHARS:],
        exit_code=int(code) if isinstance(code, int) else None,
    )
    return Ending(outcome=outcome, error=failure)


def message_of(error: BaseException) -> str:
    """Return the error's text, whatever its `__str__` does."""
    try:
        return str(error)
    except BaseException as broken:
        return f"<its __str__ raised {type(broken).__name__}>"


def _traceback(error: BaseException) -> str:
    try:
        frames = _frames_of_handler(error.__traceback__)
        lines = tracebacks.format_exception(type(error), error, frames, limit=-_FRAMES_MAX)
        return "".join(lines)
    except BaseException as broken:
        return f"<its traceback cannot be shown: {type(broken).__name__}>"


def _frames_of_handler(frames: TracebackType | None) -> TracebackType | None:
    """Skip the first frames, those of the package that called the handler."""
    while frames is not None and frames.tb_frame.f_globals.get("__package__") == "worker":
        frames = frames.tb_next
    return frames
