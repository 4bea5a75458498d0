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
    ValidationInfo,
    WithJsonSchema,
    field_validator,
    model_validator,
)

from orchestrator.model.container import CONTAINER_HANDLER, check_containers
from orchestrator.model.ids import MAX_TASKS, NODE_SIZE
from orchestrator.model.items import PRIORITY_DEFAULT
from orchestrator.model.matrix import (
    AXES_MAX,
    AXES_MAX_BYTES,
    COMBINATION_MAX_BYTES,
    Axes,
    Matrix,
    largest_bytes,
    make_matrix,
    read_axis,
)
from orchestrator.model.sources import ManifestIn, ObjectKey
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
PRIORITY_MAX = 9
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


def _check_axis(value: JsonValue) -> JsonValue:
    read_axis(value)
    return value


_AXIS_SCHEMA = {
    "anyOf": [
        {
            "type": "array",
            "minItems": 1,
            "items": {"anyOf": [{"type": kind} for kind in ("string", "number", "boolean")]},
        },
        {"type": "string", "pattern": r"^-?[0-9]{1,15}\.\.-?[0-9]{1,15}$"},
    ]
}
AxisIn = Annotated[JsonValue, AfterValidator(_check_axis), WithJsonSchema(_AXIS_SCHEMA)]
AxisName = Annotated[PlainText, StringConstraints(min_length=1, max_length=64)]
MatrixIn = Annotated[dict[AxisName, AxisIn], Field(min_length=1, max_length=AXES_MAX)]


def one_of_each_value(axes: Axes) -> Iterator[dict[str, JsonValue]]:
    """Yield combinations in which each value of each axis is found: as many as the axes have values."""
    first: dict[str, JsonValue] = {name: axis[0] for name, axis in axes.items()}
    for name, axis in axes.items():
        for value in axis:
            yield {**first, name: value}


def read_axes(matrix: MatrixIn) -> Axes:
    """Return the values of each axis."""
    return {name: read_axis(value) for name, value in matrix.items()}


class Tasks(_Body):
    """What the tasks are, from exactly one source.

    `items`: one task an item, its input. `count`: tasks that know only their index. `matrix`: one task a
    combination of the axes' values, without those that agree with an entry of `exclude`, and then one for each
    entry of `include`. `manifest`: one task a line of an object. `prefix`: one task an object whose key begins
    with the text, or matches it where it holds `*`, `?` or `[`.
    """

    items: Annotated[list[Item], Field(min_length=1, max_length=MAX_TASKS)] | None = None
    count: Annotated[int, Field(ge=1, le=MAX_TASKS)] | None = None
    manifest: ManifestIn | None = None
    prefix: ObjectKey | None = None
    matrix: MatrixIn | None = None
    exclude: Annotated[list[dict[str, JsonValue]], Field(max_length=1_000)] = []
    include: Annotated[
        list[Annotated[dict[str, JsonValue], _at_most(ITEM_MAX_BYTES)]], Field(max_length=10_000)
    ] = []

    @field_validator("matrix")
    @classmethod
    def _small(cls, matrix: MatrixIn | None) -> MatrixIn | None:
        if matrix is None:
            return None
        if (size := len(encode_json({**matrix}))) > AXES_MAX_BYTES:
            raise ValueError(
                f"at most {AXES_MAX_BYTES} bytes of JSON, this has {size}; list such tasks in a manifest"
            )
        if (size := largest_bytes(read_axes(matrix))) > COMBINATION_MAX_BYTES:
            raise ValueError(
                f"a combination has at most {COMBINATION_MAX_BYTES} bytes of JSON, one of these has {size}; "
                "keep long values in `parameters` or in S3"
            )
        return matrix

    @field_validator("exclude")
    @classmethod
    def _known(cls, exclude: list[dict[str, JsonValue]], info: ValidationInfo) -> object:
        matrix = info.data.get("matrix")
        if exclude and matrix is not None:
            make_matrix(read_axes(matrix), exclude)
        return exclude

    @field_validator("include")
    @classmethod
    def _new(cls, include: list[dict[str, JsonValue]], info: ValidationInfo) -> object:
        matrix = info.data.get("matrix")
        if not include or matrix is None or "exclude" not in info.data:
            return include
        made = make_matrix(read_axes(matrix), info.data["exclude"])
        for position, entry in enumerate(include):
            if made.position_of(entry) is not None:
                raise ValueError(f"entry {position + 1} is a combination of the matrix already")
        return include

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        sources = (self.items, self.count, self.manifest, self.matrix, self.prefix)
        if sum(source is not None for source in sources) != 1:
            raise ValueError("give exactly one of items, count, manifest, matrix and prefix")
        if self.matrix is None and (self.exclude or self.include):
            raise ValueError("exclude and include belong to a matrix")
        if self.total is not None and not 1 <= self.total <= MAX_TASKS:
            raise ValueError(
                f"the matrix has {self.total:,} tasks, and a job 1 to {MAX_TASKS:,}: "
                + (
                    "exclude fewer"
                    if self.total < 1
                    else "shorten its axes, or submit several jobs"
                )
            )
        return self

    @property
    def total(self) -> int | None:
        """Return how many tasks there are; None where only the plan can tell."""
        if self.items is not None:
            return len(self.items)
        matrix = self.combinations()
        return matrix.total + len(self.include) if matrix is not None else self.count

    def combinations(self) -> Matrix | None:
        """Return the matrix, without the tasks of `include`."""
        return make_matrix(read_axes(self.matrix), self.exclude) if self.matrix else None


class SubmitJobIn(_Body):
    """Body of POST /api/v1/jobs. Times are in seconds.

    `priority`: among the tenant's jobs, higher first. A job sends no more tasks while one of a higher priority
    has tasks that were not sent.
    """

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
    priority: Annotated[int, Field(ge=0, le=PRIORITY_MAX)] = PRIORITY_DEFAULT

    @model_validator(mode="after")
    def _containers(self) -> Self:
        if self.handler == CONTAINER_HANDLER:
            if self.tasks.prefix is not None:
                raise ValueError(
                    "an object under a prefix is no container: list items, or a manifest"
                )
            if self.tasks.items is not None or self.tasks.count is not None:
                check_containers(self.parameters, self.tasks.items)
            if self.tasks.matrix is not None:
                samples = one_of_each_value(read_axes(self.tasks.matrix))
                check_containers(self.parameters, samples, "tasks.matrix")
                check_containers(self.parameters, self.tasks.include, "tasks.include")
        return self

    def policy(self) -> Policy:
        """Return the rules that JOB keeps. A message carries one container unless more are asked for."""
        alone = 1 if self.handler == CONTAINER_HANDLER else None
        return Policy(
            retry=self.retry,
            timeout_seconds=self.timeout_seconds,
            deadline_seconds=self.deadline_seconds,
            tolerated_failures=self.tolerated_failures,
            tasks_per_message=self.tasks_per_message or alone,
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


class PlannedMatrix(_Body):
    """The combinations that are tasks [0, total): axes as they were submitted, and the gaps of a `Matrix`."""

    axes: dict[str, JsonValue]
    gaps_at: list[int] = []
    gaps_sum: list[int] = []

    def matrix(self) -> Matrix:
        """Return what renders them."""
        return Matrix(read_axes(self.axes), self.gaps_at, self.gaps_sum)


class Plan(_Body):
    """What PlanTasks found: how many tasks there are, and where the input of each is.

    Tasks that no part holds are combinations of the matrix; without a matrix they have no input.
    `bad_lines`: how many lines of the manifest were skipped.
    """

    total: int
    parts: list[Part] = []
    matrix: PlannedMatrix | None = None
    bad_lines: int = 0

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


class PartWriter:
    """Gathers inputs, from task `start` on, up to 16,000 tasks and (but for one long line) 16 MB.

    Where a part ends depends on the inputs alone, so whoever plans a job again cuts the same parts.
    """

    def __init__(self, start: int = 0) -> None:
        self._begin(start)

    def _begin(self, start: int) -> None:
        self._start, self._body, self._offsets = start, bytearray(), [0]

    @property
    def next_index(self) -> int:
        """Return the index of the task that is added next."""
        return self._start + len(self._offsets) - 1

    def full_for(self, line: bytes) -> bool:
        """Tell whether the part must be taken before `line` is added."""
        size = len(self._body) + len(line) + 1
        return len(self._offsets) > 1 and (len(self._offsets) > NODE_SIZE or size > PART_MAX_BYTES)

    def add(self, line: bytes) -> None:
        """Add the input of the next task: JSON in one line, without its end."""
        self._body += line
        self._body += b"\n"
        self._offsets.append(len(self._body))

    def take(self) -> InputsPart | None:
        """Return what was gathered, and begin the next part; None where there is nothing."""
        if len(self._offsets) == 1:
            return None
        part = InputsPart(self._start, bytes(self._body), self._offsets)
        self._begin(part.stop)
        return part


def write_parts(inputs: Iterable[JsonValue], start: int = 0) -> Iterator[InputsPart]:
    """Cut the inputs of tasks from `start` on into parts."""
    writer = PartWriter(start)
    for value in inputs:
        line = encode_json(value)
        if writer.full_for(line) and (part := writer.take()) is not None:
            yield part
        writer.add(line)
    if (part := writer.take()) is not None:
        yield part
