"""One call of a handler: JSON in, JSON out, and whatever is raised becomes an ending."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

from orchestrator.errors import OrchestratorError
from orchestrator.model.ids import task_id
from orchestrator.model.states import Outcome
from worker.api import Cancelled, Context, Draining, Json, PermanentError, Task
from worker.ending import Ending, failed, message_of, raised
from worker.registry import Handler

RESULT_MAX_BYTES = 16 * 1024 * 1024
"""A result is an answer, not a file: memory holds it, and the results part copies it once more."""


RESULT_MAX_DEPTH = 100
"""Lists and objects within each other: readers of JSON refuse deeper ones (pydantic above 200)."""
_STRINGS = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"')
_STEPS = {ord("["): 1, ord("{"): 1, ord("]"): -1, ord("}"): -1}
_NO_BRACKETS = bytes(sorted(set(range(256)) - _STEPS.keys()))


class InvalidInput(OrchestratorError):
    """The task's input, or the job's parameters, do not fit what the handler declares."""


class BadResult(OrchestratorError):
    """The handler returned what cannot be written as JSON, or too much of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RawTask:
    """A task as it comes over the wire."""

    job_id: str
    index: int
    attempt: int
    gen: int
    input: Json
    parameters: Json
    timeout_seconds: float


def invoke(handler: Handler, raw: RawTask, context: Context) -> Ending:
    """Run one task. Never raises: the ending says what happened."""
    try:
        return Ending(outcome=Outcome.SUCCEEDED, result=call(handler, raw, context))
    except InvalidInput as error:
        return failed(Outcome.FAILED, "InvalidInput", message_of(error), retryable=False)
    except PermanentError as error:
        return failed(Outcome.FAILED, str(error.type), message_of(error), retryable=False)
    except BadResult as error:
        return failed(Outcome.BAD_RESULT, "BadResult", message_of(error))
    except Cancelled:
        return failed(Outcome.CANCELLED, "Cancelled", "the handler saw that the job was stopped")
    except Draining as error:
        if context.draining:
            return Ending(outcome=Outcome.INTERRUPTED)
        return raised(error)
    except MemoryError as error:
        return raised(error, Outcome.OUT_OF_MEMORY)
    except BaseException as error:
        return raised(error)


def call(handler: Handler, raw: RawTask, context: Context) -> bytes:
    """Validate, call, encode. Raises InvalidInput, BadResult and what the handler raises."""
    return encode_result(handler.function(_task(handler, raw), context))


def _parameters(handler: Handler, raw: RawTask) -> Json:
    """Return the job's parameters; a job without any gives a declared model its defaults."""
    return {} if raw.parameters is None and handler.parameters is not None else raw.parameters


def _task(handler: Handler, raw: RawTask) -> Task[Any, Any]:
    return Task(
        job_id=raw.job_id,
        index=raw.index,
        task_id=task_id(raw.job_id, raw.index),
        attempt=raw.attempt,
        gen=raw.gen,
        input=_validated(handler.input, raw.input, "input"),
        parameters=_validated(handler.parameters, _parameters(handler, raw), "parameters"),
        timeout_seconds=raw.timeout_seconds,
    )


def _validated(declared: Any, value: Json, what: str) -> Any:
    if declared is None:
        return value
    # Pydantic is most of a child's start: only handlers that declare types pay for it.
    from worker.validation import validate

    return validate(declared, value, what)


def encode_result(result: object) -> bytes:
    """Return the result as JSON in UTF-8. Raises BadResult, saying what is wrong with it."""
    if hasattr(result, "model_dump"):
        result = result.model_dump(mode="json")
    try:
        text = json.dumps(result, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
        encoded = text.encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise BadResult(f"the result cannot be written as JSON: {message_of(error)}") from error
    if len(encoded) > RESULT_MAX_BYTES:
        raise BadResult(
            f"the result is {len(encoded)} bytes of JSON, the limit is {RESULT_MAX_BYTES}: "
            "write it to a bucket and return its key"
        )
    if encoded.count(b"[") + encoded.count(b"{") > RESULT_MAX_DEPTH < _depth(encoded):
        raise BadResult(f"the result nests more than {RESULT_MAX_DEPTH} lists and objects")
    return encoded


def _depth(encoded: bytes) -> int:
    """Return how many lists and objects are within each other at most."""
    brackets = _STRINGS.sub(b"", encoded).translate(None, _NO_BRACKETS)
    return max(accumulate(map(_STEPS.__getitem__, brackets)), default=0)
