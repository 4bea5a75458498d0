"""A task that is a container: what a job may say of it, and how its two sources become one."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Annotated

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    StringConstraints,
    ValidationError,
)
from pydantic_core import from_json

CONTAINER_HANDLER = "container"
TIMEOUT_MAX_SECONDS = 39_600
"""As for any task (`policy.MAX_TIMEOUT_SECONDS`): SQS holds no message for longer than 12 hours."""
RESERVED_ENV = "TASK_"
"""Names that begin so are the worker's own."""
TEXT_MAX_BYTES = 64 * 1024
"""Command, args and env together: a Job is one object of the cluster's store, of 1.5 MB at most."""
_ENTRIES_MAX = 200
_PROBLEMS_SHOWN = 3
_CPU_MAX = Decimal(1024)
_MEMORY_MIN, _MEMORY_MAX = 4 * 1024**2, 64 * 1024**4
_UNITS = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
_UNITS |= {"Ki": 1024, "Mi": 1024**2, "Gi": 1024**3, "Ti": 1024**4}

_DOMAIN = r"[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*(:[0-9]{1,5})?"
_PATH = r"[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*"
_IMAGE = re.compile(
    rf"({_DOMAIN}/)?{_PATH}(/{_PATH})*"
    r"(:[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(@sha256:[0-9a-f]{64})?"
)
"""The grammar of image references (github.com/distribution/reference), with SHA-256 as the only digest."""


def _without_nul(text: str) -> str:
    if "\0" in text:
        raise ValueError("a NUL character cannot be passed to a process")
    return text


def _checked_image(text: str) -> str:
    if not _IMAGE.fullmatch(text):
        raise ValueError(f"{text!r} is no image reference such as registry.example/team/app:1.2")
    return text


def _checked_env_name(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
        raise ValueError("a name of a variable has letters, digits and _, and no digit first")
    if name.startswith(RESERVED_ENV):
        raise ValueError(f"names that begin with {RESERVED_ENV} are set by the worker")
    return name


def _checked_cpu(text: str) -> str:
    if not re.fullmatch(r"[0-9]{1,7}(m|\.[0-9]{1,3})?", text):
        raise ValueError(f'{text!r} is no number of CPUs such as "2", "0.5" or "500m"')
    cores = Decimal(text.removesuffix("m")) / (1000 if text.endswith("m") else 1)
    if not 0 < cores <= _CPU_MAX:
        raise ValueError(f"more than 0 and at most {_CPU_MAX} CPUs")
    return text


def _checked_bytes(text: str) -> str:
    found = re.fullmatch(r"([0-9]{1,15})(k|M|G|T|Ki|Mi|Gi|Ti)?", text)
    if found is None:
        raise ValueError(f'{text!r} is no number of bytes such as "512Mi" or "2Gi"')
    if not _MEMORY_MIN <= int(found[1]) * _UNITS[found[2] or ""] <= _MEMORY_MAX:
        raise ValueError("between 4Mi and 64Ti")
    return text


def _checked_account(text: str) -> str:
    if not re.fullmatch(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?", text):
        raise ValueError(f"{text!r} is no name of a service account")
    return text


Text = Annotated[str, AfterValidator(_without_nul)]
Image = Annotated[str, StringConstraints(max_length=500), AfterValidator(_checked_image)]
EnvName = Annotated[str, StringConstraints(max_length=256), AfterValidator(_checked_env_name)]
Cpu = Annotated[str, AfterValidator(_checked_cpu)]
Bytes = Annotated[str, AfterValidator(_checked_bytes)]
AccountName = Annotated[str, StringConstraints(max_length=253), AfterValidator(_checked_account)]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, defer_build=True)


class Resources(_Body):
    """Quantities as Kubernetes writes them ("500m", "2Gi"); what is not given is the worker's default."""

    cpu: Cpu | None = None
    memory: Bytes | None = None
    ephemeral_storage: Bytes | None = None


class Container(_Body):
    """One container. `timeout_seconds` counts from when a node took it; by default the job's."""

    image: Image
    command: Annotated[list[Text], Field(min_length=1, max_length=_ENTRIES_MAX)] | None = None
    args: Annotated[list[Text], Field(max_length=_ENTRIES_MAX)] = []
    env: Annotated[dict[EnvName, Text], Field(max_length=_ENTRIES_MAX)] = {}
    resources: Resources = Resources()
    gpu: Annotated[int, Field(ge=0, le=16)] = 0
    input: JsonValue = None
    timeout_seconds: (
        Annotated[float, Field(gt=0, le=TIMEOUT_MAX_SECONDS, allow_inf_nan=False)] | None
    ) = None
    service_account: AccountName | None = None


def read_container(parameters: JsonValue, item: JsonValue) -> Container:
    """Return the container of a task: its item's fields replace those of the job's parameters, whole.

    Raises ValueError that names the fields at fault.
    """
    fields = {**_fields(parameters, "the job's parameters"), **_fields(item, "a task's item")}
    try:
        container = Container.model_validate(fields)
    except ValidationError as error:
        raise ValueError(_told(error)) from None
    size = _size([*(container.command or []), *container.args, *container.env])
    if size + _size(container.env.values()) > TEXT_MAX_BYTES:
        raise ValueError(
            f"command, args and env have more than {TEXT_MAX_BYTES} bytes: use `input`"
        )
    return container


def input_check(handler: str, parameters: JsonValue) -> Callable[[bytes], str | None] | None:
    """Return what tells the fault of a task's input, JSON text, where it has one; None: any input will do."""
    if handler != CONTAINER_HANDLER:
        return None

    def fault_of(text: bytes) -> str | None:
        try:
            read_container(parameters, from_json(text))
        except ValueError as error:
            return f"is no container: {error}"
        return None

    return fault_of


def check_containers(
    parameters: JsonValue, items: Iterable[JsonValue] | None, field: str = "tasks.items"
) -> None:
    """Check each task of a submission (`items` None: they have none). Raises ValueError at the first fault."""
    if items is None:
        read_container(parameters, None)
        return
    for index, item in enumerate(items):
        try:
            read_container(parameters, item)
        except ValueError as error:
            raise ValueError(f"{field}[{index}], as a container: {error}") from error


def _fields(value: JsonValue, what: str) -> Mapping[str, JsonValue]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise ValueError(f"{what} must be an object with the fields of a container (image, ...)")
    return value


def _told(error: ValidationError) -> str:
    problems = error.errors(include_url=False, include_input=False, include_context=False)
    return "; ".join(
        f"{_path(problem['loc'])}: {problem['msg'].removeprefix('Value error, ')}"
        for problem in problems[:_PROBLEMS_SHOWN]
    )


def _path(location: tuple[int | str, ...]) -> str:
    return ".".join(str(part) for part in location if part != "[key]") or "container"


def _size(texts: Iterable[str]) -> int:
    return sum(len(text.encode(errors="replace")) for text in texts)
