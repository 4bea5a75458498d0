"""Running a handler alone, in the tests of its author: no queue, no bucket, no child process."""

from __future__ import annotations

import io
import json
import logging
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO
from uuid import uuid4

from worker.api import Context, Json
from worker.child.checkpoints import Checkpoint, Order, Stored, key_of
from worker.invoke import RawTask, call
from worker.registry import Handler, declared, installed_sources, load_handlers

JOB_ID = "01JDTESTTESTTESTTESTTESTTE"
_logger = logging.getLogger("worker.testing")


@dataclass(frozen=True, slots=True)
class LocalFiles:
    """The data bucket as a mapping of keys to contents, or to paths of files that hold them."""

    contents: Mapping[str, bytes | str | Path] = field(default_factory=dict)

    def open(self, key: str) -> BinaryIO:
        """Open for reading. Raises FileNotFoundError."""
        if key not in self.contents:
            raise FileNotFoundError(f"no object {key!r}; the test gave {sorted(self.contents)}")
        found = self.contents[key]
        if isinstance(found, Path):
            return found.open("rb")
        return io.BytesIO(found.encode() if isinstance(found, str) else found)

    def fetch(self, key: str, target: Path) -> None:
        """Write to `target`. Raises FileNotFoundError."""
        with self.open(key) as source:
            target.write_bytes(source.read())


@dataclass(slots=True)
class LocalCheckpoint:
    """The stored checkpoint of the one task, told to `on_write` when it changes."""

    data: bytes | None
    on_write: Callable[[bytes], None]
    writes: int = 0

    def read(self, _key: str) -> tuple[bytes, Stored] | None:
        """Return what is stored."""
        stored = self.look(_key)
        return None if stored is None or self.data is None else (self.data, stored)

    def look(self, _key: str) -> Stored | None:
        """Return its version."""
        return None if self.data is None else Stored(str(self.writes), Order(0, 0, 0))

    def write(self, key: str, data: bytes, _order: Order, over: str | None) -> str | None:
        """Store on the condition, as S3 does."""
        stored = self.look(key)
        if (stored.version if stored else None) != over:
            return None
        self.data, self.writes = data, self.writes + 1
        self.on_write(data)
        return str(self.writes)


def run_handler(
    handler: str | Callable[..., object],
    input: object = None,
    parameters: object = None,
    *,
    files: Mapping[str, bytes | str | Path] | None = None,
    attempt: int = 1,
    cancelled: bool = False,
    on_progress: Callable[[float], None] = lambda _: None,
    draining: bool = False,
    checkpoint: bytes | None = None,
    on_checkpoint: Callable[[bytes], None] = lambda _: None,
) -> Any:
    """Run a handler as the worker would, and return its result as JSON gives it back.

    Takes the handler's name or its function; `input` and `parameters` as JSON or as instances of
    its models; `files` stand for the data bucket, `checkpoint` for what an earlier run has saved.
    Raises InvalidInput, BadResult and what the handler raises.
    """
    raw = RawTask(
        job_id=JOB_ID,
        index=0,
        attempt=attempt,
        gen=1,
        input=_as_json(input),
        parameters=_as_json(parameters),
        timeout_seconds=60.0,
    )
    with tempfile.TemporaryDirectory() as folder:
        context = Context(
            run_id=uuid4().hex,
            logger=logging.LoggerAdapter(_logger, {"job_id": JOB_ID, "task_id": f"{JOB_ID}-0"}),
            data_bucket="data",
            results_bucket="results",
            make_scratch=lambda: Path(folder),
            files=LocalFiles(files or {}),
            is_cancelled=lambda: cancelled,
            report_progress=on_progress,
            is_draining=lambda: draining,
            checkpoints=Checkpoint(
                LocalCheckpoint(checkpoint, on_checkpoint),
                key_of(JOB_ID, 0),
                Order(attempt, 0, 1),
                first=False,
                is_over=lambda: False,
            ),
        )
        return json.loads(call(_find(handler), raw, context))


def _find(wanted: str | Callable[..., object]) -> Handler:
    if isinstance(wanted, str):
        known = declared() if wanted in declared() else load_handlers(installed_sources())
        if wanted not in known:
            raise LookupError(f"no handler {wanted!r}; declared are {sorted(known)}")
        return known[wanted]
    for handler in declared().values():
        if handler.function is wanted:
            return handler
    return Handler("undeclared", wanted)


def _as_json(value: object) -> Json:
    dump = getattr(value, "model_dump_json", None)
    decoded: Json = json.loads(dump() if dump else json.dumps(value))
    return decoded
