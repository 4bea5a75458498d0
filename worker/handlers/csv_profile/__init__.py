"""csv.profile: what is in a delimited text file, column by column.

The types are plain dataclasses: a worker imports all handlers, and need not import pydantic for it.
"""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from typing import Annotated, Any, ClassVar, Literal

from annotated_types import Ge, Len, Predicate

from worker import Context, PermanentError, Task, handler
from worker.api import Json

_STRICT = {"extra": "forbid"}

type _Delimiter = Annotated[str, Len(1, 1), Predicate(lambda mark: mark not in "\"'\r\n\0")]
type Choice = Literal["report", "fail"]


@dataclass(frozen=True, slots=True)
class ProfileInput:
    """One file of the data bucket. `bytes`, its size if known, serves to show progress."""

    __pydantic_config__: ClassVar = _STRICT

    key: Annotated[str, Len(1, 1024)]
    name: str | None = None
    bytes: Annotated[int, Ge(0)] | None = None


@dataclass(frozen=True, slots=True)
class ProfileParameters:
    """What holds for all files of a job; what is not given is found out from each file."""

    __pydantic_config__: ClassVar = _STRICT

    on_bad_lines: Choice = "report"
    on_no_rows: Choice = "report"
    delimiter: _Delimiter | None = None
    header: bool | None = None
    encoding: str | None = None


_GIVEN_OR_NOT: Any = ProfileParameters | None


@handler("csv.profile", input=ProfileInput, parameters=_GIVEN_OR_NOT)
def run(task: Task[ProfileInput, ProfileParameters | None], context: Context) -> dict[str, Json]:
    """Profile one file. Raises PermanentError, naming the cause, for what is no usable table."""
    os.environ.setdefault("POLARS_MAX_THREADS", "1")  # tasks run side by side in other processes
    from worker.handlers.csv_profile.profile import Options, profile

    key, size = task.input.key, task.input.bytes
    options = Options(**asdict(task.parameters or ProfileParameters()))

    def on_batch(bytes_read: int) -> None:
        context.raise_if_cancelled()
        if size:
            context.progress(bytes_read / size)

    try:
        found = profile(lambda: context.open_input(key), options, on_batch)
    except FileNotFoundError as error:
        raise PermanentError(
            f"there is no object {key!r} in the data bucket: was it uploaded?", type="MissingFile"
        ) from error
    return {"name": task.input.name or key.rpartition("/")[2], **found}
