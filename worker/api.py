"""What the author of a handler works with: the task, its context, and errors with a meaning."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

type Json = bool | int | float | str | list[Json] | dict[str, Json] | None
"""What can be written as JSON: inputs, parameters and results are made of it."""


class PermanentError(Exception):
    """Raised by a handler when another try cannot help: the task fails at once, no traceback.

    `type` is the error's name in the task's record, for grouping and for retry rules.
    """

    def __init__(self, message: str, type: str = "PermanentError") -> None:
        super().__init__(message)
        self.type = type


class Cancelled(BaseException):
    """Raised by `Context.raise_if_cancelled`; no `except Exception` of a handler swallows it."""


class Draining(BaseException):
    """Raised by `Context.raise_if_draining`: the task goes back and is run again elsewhere."""


CHECKPOINT_MAX_BYTES = 256 * 1024
"""A checkpoint says where to go on. What is larger belongs in a bucket, and its key in here."""


class CheckpointFailed(Exception):
    """A checkpoint could not be read or stored. A handler that can go on without may catch it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task[I = Json, P = Json]:
    """One task of a job, in one attempt.

    `input` and `parameters` are instances of the models that the handler declares, else JSON.
    `attempt` counts from 1 and goes on when the job is retried; `gen` counts from 1, one more a
    retry of the job. A task may run more than once: key outside effects by `task_id`.
    """

    job_id: str
    index: int
    task_id: str
    attempt: int
    gen: int
    input: I
    parameters: P
    timeout_seconds: float


class Files(Protocol):
    """The files of the data bucket, as a handler reads them."""

    def open(self, key: str) -> BinaryIO:
        """Open for reading. Raises FileNotFoundError."""
        ...

    def fetch(self, key: str, target: Path) -> None:
        """Write to `target`. Raises FileNotFoundError."""
        ...


class Checkpoints(Protocol):
    """The checkpoint of a task, as `Context` uses it. Both raise CheckpointFailed."""

    def load(self) -> bytes | None:
        """Return the newest one, None where there is none."""
        ...

    def save(self, data: bytes) -> bool:
        """Store one; tell whether it was stored. Raises ValueError where it is too large."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What surrounds one run of a task: `run_id` is new, `scratch` is removed after it."""

    run_id: str
    logger: logging.LoggerAdapter[logging.Logger]
    data_bucket: str
    results_bucket: str
    make_scratch: Callable[[], Path]
    files: Files
    is_cancelled: Callable[[], bool]
    report_progress: Callable[[float], None]
    is_draining: Callable[[], bool]
    checkpoints: Checkpoints

    @property
    def scratch(self) -> Path:
        """An empty folder, made when first asked for."""
        return self.make_scratch()

    @property
    def cancelled(self) -> bool:
        """Tell whether the job was stopped: true within a heartbeat, 30 seconds before the end."""
        return self.is_cancelled()

    def raise_if_cancelled(self) -> None:
        """Raise Cancelled if the job was stopped: the short way out of a loop."""
        if self.is_cancelled():
            raise Cancelled

    @property
    def draining(self) -> bool:
        """Tell whether this worker is ending: true at once, DRAIN_SECONDS before the task is stopped."""
        return self.is_draining()

    def raise_if_draining(self) -> None:
        """Raise Draining if this worker is ending: the task is run again elsewhere, soon, uncounted.

        Right after a checkpoint. A task that ends soon had better end here.
        """
        if self.is_draining():
            raise Draining

    @property
    def checkpoint_data(self) -> bytes | None:
        """The newest checkpoint of this task, of whichever run; None at first.

        Costs a request to S3 when it is first asked for, and none in a task's first run. Raises
        CheckpointFailed.
        """
        return self.checkpoints.load()

    def checkpoint(self, data: bytes) -> bool:
        """Store where the task is (256 KiB at most) for the run that goes on if this one does not end.

        True: it is stored, and outlives this worker. False: it is not, since a later run of this task
        has stored its own. Raises ValueError where it is too large, CheckpointFailed where S3 refuses
        it, or is away for longer than five tries take.
        """
        return self.checkpoints.save(data)

    def progress(self, fraction: float) -> None:
        """Say how much is done, 0..1; cheap, may be called at every step."""
        self.report_progress(min(max(float(fraction), 0.0), 1.0))

    def open_input(self, key: str) -> BinaryIO:
        """Open an object of the data bucket as a stream of bytes. Raises FileNotFoundError."""
        return self.files.open(key)

    def fetch_input(self, key: str) -> Path:
        """Copy an object of the data bucket into `scratch`; its path ends as the key does.

        Raises FileNotFoundError.
        """
        target = self.scratch / Path(key).name
        self.files.fetch(key, target)
        return target
