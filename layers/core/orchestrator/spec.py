"""A submission: its wire form, its rules, and the plan made of it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    StringConstraints,
    model_validator,
)

from orchestrator.model.ids import MAX_TASKS, NODE_SIZE
from orchestrator.model.wire import ERROR_TYPE_MAX_CHARS, Index
from orchestrator.policy import (
    DEFAULT_TIMEOUT_SECONDS,
    MAX_TIMEOUT_SECONDS,
    TASKS_PER_MESSAGE_MAX,
    Policy,
    Retry,
    Tolerance,
    check_rules,
)

BODY_MAX_BYTES = 4 * 1024 * 1024
"""Lambda's request limit is 6 MB and counts escapes; larger submissions go by upload."""
ITEM_MAX_BYTES = 256 * 1024
PARAMETERS_MAX_BYTES = 64 * 1024
"""Parameters travel in every claim's answer."""
DEADLINE_MAX_SECONDS = 90 * 86_400
PART_MAX_BYTES = 16 * 1024 * 1024
"""A part of the inputs is written and read whole by one Lambda of 512 MB."""

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def _no_control_characters(text: str) -> str:
    if _CONTROL.search(text):
        raise ValueError("control characters are not allowed")
    return text


def encode_json(value: JsonValue) -> bytes:
    """Return compact UTF-8 JSON, one line."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()


def _at_most(limit: int) -> AfterValidator:
    def check(value: JsonValue) -> JsonValue:
        size = len(encode_json(value))
        if size > limit:
            raise ValueError(f"at most {limit} bytes of JSON, this has {size}")
        return value

    return AfterValidator(check)


PlainText = Annotated[str, AfterValidator(_no_control_characters)]
Name = Annotated[PlainText, StringConstraints(min_length=1, max_length=200)]
HandlerName = Annotated[
    str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*([.-][a-z0-9_]+)*$", max_length=100)
]
Item = Annotated[JsonValue, _at_most(ITEM_MAX_BYTES)]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, defer_build=True)


class Tasks(_Body):
    """What the tasks are: one a listed item (its input), or `count` tasks that know only their index."""

    items: Annotated[list[Item], Field(min_length=1, max_length=MAX_TASKS)] | None = None
    count: Annotated[int, Field(ge=1, le=MAX_TASKS)] | None = None

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.items is None) == (self.count is None):
            raise ValueError("give exactly one of items and count")
        return self

    @property
    def total(self) -> int:
        """Return how many tasks there are."""
        return len(self.items) if self.items is not None else (self.count or 0)


class SubmitJobIn(_Body):
    """Body of POST /api/v1/jobs. Times are in seconds."""

    name: Name
    handler: HandlerName
    tasks: Tasks
    parameters: Annotated[JsonValue, _at_most(PARAMETERS_MAX_BYTES)] = None
    retry: Annotated[Retry, AfterValidator(check_rules)] = Retry()
    timeout_seconds: Annotated[float, Field(gt=0, le=MAX_TIMEOUT_SECONDS, allow_inf_nan=False)] = (
        DEFAULT_TIMEOUT_SECONDS
    )
    deadline_seconds: (
        Annotated[float, Field(ge=1, le=DEADLINE_MAX_SECONDS, allow_inf_nan=False)] | None
    ) = None
    tolerated_failures: Tolerance = Tolerance()
    tags: Annotated[
        dict[
            Annotated[PlainText, StringConstraints(min_length=1, max_length=64)],
            Annotated[PlainText, StringConstraints(max_length=256)],
        ],
        Field(max_length=20),
    ] = {}
    tasks_per_message: Annotated[int, Field(ge=1, le=TASKS_PER_MESSAGE_MAX)] | None = None
    max_running: Annotated[int, Field(ge=1, le=MAX_TASKS)] | None = None

    def policy(self) -> Policy:
        """Return the rules that JOB keeps."""
        return Policy(
            retry=self.retry,
            timeout_seconds=self.timeout_seconds,
            deadline_seconds=self.deadline_seconds,
            tolerated_failures=self.tolerated_failures,
            tasks_per_message=self.tasks_per_message,
            max_running=self.max_running,
        )


class RetryJobIn(_Body):
    """Body of POST /api/v1/jobs/{job_id}/retry: which tasks; SUCCEEDED ones never.

    `tasks`: "failed" are the FAILED ones, "not_succeeded" (what an empty body means) also those CANCELLED
    and SKIPPED. `indexes`: those listed. `error_types`: the FAILED ones whose last error is of such a type.
    """

    tasks: Literal["failed", "not_succeeded"] | None = None
    indexes: Annotated[list[Index], Field(min_length=1, max_length=10_000)] | None = None
    error_types: (
        Annotated[
            list[
                Annotated[
                    PlainText, StringConstraints(min_length=1, max_length=ERROR_TYPE_MAX_CHARS)
                ]
            ],
            Field(min_length=1, max_length=100),
        ]
        | None
    ) = None

    @model_validator(mode="after")
    def _one_choice(self) -> Self:
        if sum(field is not None for field in (self.tasks, self.indexes, self.error_types)) > 1:
            raise ValueError("give at most one of tasks, indexes and error_types")
        return self


class Part(_Body):
    """Tasks [start, stop) have their inputs in the JSONL object `key`, their line offsets in `key`.idx."""

    start: int
    stop: int
    key: str


class Plan(_Body):
    """What PlanTasks found: how many tasks, and where their inputs are (no parts: they have none)."""

    total: int
    parts: list[Part] = []

    def part_of(self, index: int) -> Part | None:
        """Return the part that holds a task's input."""
        return next((part for part in self.parts if part.start <= index < part.stop), None)


@dataclass(frozen=True, slots=True)
class InputsPart:
    """The body of a part and its line offsets (one more than lines)."""

    start: int
    body: bytes
    offsets: Sequence[int]

    @property
    def stop(self) -> int:
        """Return the index after the part's last task."""
        return self.start + len(self.offsets) - 1


def write_parts(inputs: Iterable[JsonValue]) -> Iterator[InputsPart]:
    """Cut `inputs` into parts of at most 16,000 tasks and (but for one long line) 16 MB."""
    start, body, offsets = 0, bytearray(), [0]
    for value in inputs:
        line = encode_json(value) + b"\n"
        full = len(offsets) > NODE_SIZE or len(body) + len(line) > PART_MAX_BYTES
        if full and len(offsets) > 1:
            part = InputsPart(start, bytes(body), offsets)
            yield part
            start, body, offsets = part.stop, bytearray(), [0]
        body += line
        offsets.append(len(body))
    if len(offsets) > 1:
        yield InputsPart(start, bytes(body), offsets)
