"""The context of one run inside a child: log lines, progress, cancel, scratch folder."""

from __future__ import annotations

import logging
import shutil
import threading
import time
from pathlib import Path
from typing import Any

from worker.api import Context, Files
from worker.child.channel import Channel
from worker.child.checkpoints import Checkpoint, Order, Store, key_of
from worker.child.settings import ChildSettings
from worker.ending import TEXT_MAX_CHARS
from worker.frames import encode

_PROGRESS_SECONDS = 1.0
_STANDARD = frozenset(vars(logging.makeLogRecord({})))


class FrameHandler(logging.Handler):
    """Sends log records to the worker, which adds the task's names and bounds their number."""

    def __init__(self, channel: Channel) -> None:
        super().__init__()
        self._channel = channel
        self.setFormatter(logging.Formatter())

    def emit(self, record: logging.LogRecord) -> None:
        """Send one record; `extra` becomes fields."""
        extra = {name: str(value) for name, value in vars(record).items() if name not in _STANDARD}
        text = self.format(record)[:TEXT_MAX_CHARS]
        header = {"type": "log", "level": record.levelname, "message": text, "fields": extra}
        self._channel.send(encode(header))


class Scratch:
    """A folder that exists only if the handler asks for it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._made = False

    def make(self) -> Path:
        """Return the folder, made at the first call."""
        if not self._made:
            self._path.mkdir(parents=True)
            self._made = True
        return self._path

    def remove(self) -> None:
        """Remove what was made."""
        if self._made:
            shutil.rmtree(self._path, ignore_errors=True)


class Progress:
    """Sends the fraction done, at most once a second."""

    def __init__(self, channel: Channel, index: int, over: threading.Event) -> None:
        self._channel = channel
        self._index = index
        self._over = over
        self._sent_at = 0.0

    def report(self, fraction: float) -> None:
        """Take note of the fraction; most calls send nothing."""
        now = time.monotonic()
        if now - self._sent_at >= _PROGRESS_SECONDS and not self._over.is_set():
            self._sent_at = now
            header = {"type": "progress", "index": self._index, "fraction": fraction}
            self._channel.send(encode(header))


def make_logger(channel: Channel) -> logging.Logger:
    """Return the logger of handlers; other libraries' loggers are left as they are."""
    logger = logging.getLogger("orchestrator.task")
    logger.setLevel(logging.INFO)
    logger.addHandler(FrameHandler(channel))
    logger.propagate = False
    return logger


class RunLogger(logging.LoggerAdapter[logging.Logger]):
    """The logger of one run; says nothing once the run is over."""

    def __init__(self, logger: logging.Logger, over: threading.Event) -> None:
        super().__init__(logger, {}, merge_extra=True)
        self._over = over

    def isEnabledFor(self, level: int) -> bool:  # noqa: N802 (logging's name)
        """Tell whether a record is made."""
        return not self._over.is_set() and super().isEnabledFor(level)


def make_context(
    *,
    channel: Channel,
    over: threading.Event,
    settings: ChildSettings,
    files: Files,
    checkpoint: Checkpoint,
    scratch: Scratch,
    logger: logging.Logger,
    run: dict[str, Any],
) -> Context:
    """Return the context of one run.

    `over` ends it: a thread that the handler left behind sees a run that was cancelled, and speaks for
    no other task.
    """
    return Context(
        run_id=run["run_id"],
        logger=RunLogger(logger, over),
        data_bucket=settings.data_bucket,
        results_bucket=settings.results_bucket,
        make_scratch=scratch.make,
        files=files,
        is_cancelled=lambda: over.is_set() or channel.cancelled(),
        report_progress=Progress(channel, run["index"], over).report,
        is_draining=lambda: not over.is_set() and channel.draining(),
        checkpoints=checkpoint,
    )


def make_checkpoint(
    store: Store, order: dict[str, Any], run: dict[str, Any], over: threading.Event
) -> Checkpoint:
    """Return the checkpoint of one run of a task."""
    place = Order(order["attempt"], order["sent_at_ms"], order["receive_count"])
    first = place.attempt == place.receive_count == 1 and not order["interruptions"]
    key = key_of(order["job"], run["index"])
    return Checkpoint(store, key, place, first=first, is_over=over.is_set)
