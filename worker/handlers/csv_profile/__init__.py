"""csv.profile: what is in a delimited text file, column by column."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from worker import Context, PermanentError, Task, handler
from worker.api import Json


class ProfileInput(BaseModel):
    """One file of the data bucket. `bytes`, its size if known, serves to show progress."""

    model_config = ConfigDict(extra="forbid")

    key: str = Field(min_length=1, max_length=1024)
    name: str | None = None
    bytes: int | None = Field(default=None, ge=0)


class ProfileParameters(BaseModel):
    """What holds for all files of a job; the dialect is found for each file where it is not given."""

    model_config = ConfigDict(extra="forbid")

    on_bad_lines: Literal["report", "fail"] = "report"
    on_no_rows: Literal["report", "fail"] = "report"
    delimiter: str | None = Field(default=None, min_length=1, max_length=1)
    header: bool | None = None
    encoding: str | None = None


@handler("csv.profile", input=ProfileInput, parameters=ProfileParameters)
def run(task: Task[ProfileInput, ProfileParameters], context: Context) -> dict[str, Json]:
    """Profile one file. Raises PermanentError, naming the cause, for what is no usable table."""
    from worker.handlers.csv_profile.profile import Options, profile

    key, size = task.input.key, task.input.bytes

    def on_batch(bytes_read: int) -> None:
        context.raise_if_cancelled()
        if size:
            context.progress(bytes_read / size)

    try:
        found = profile(
            lambda: context.open_input(key), Options(**task.parameters.model_dump()), on_batch
        )
    except FileNotFoundError as error:
        raise PermanentError(
            f"there is no object {key!r} in the data bucket: was it uploaded?", type="MissingFile"
        ) from error
    return {"name": task.input.name or key.rpartition("/")[2], **found}
