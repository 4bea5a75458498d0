"""The log: one JSON object a line on standard output; each event a short noun with fields."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

LEVELS = {"DEBUG": 10, "INFO": 20, "WARNING": 30, "ERROR": 40, "CRITICAL": 50}
_lock = threading.Lock()


def write_line(line: str) -> None:
    """Write a line to standard output, whole."""
    with _lock:
        sys.stdout.write(line)
        sys.stdout.flush()


class Log:
    """Writes events with the fields it is bound to."""

    def __init__(
        self,
        level: str = "INFO",
        write: Callable[[str], None] = write_line,
        fields: dict[str, Any] | None = None,
    ) -> None:
        self._level = level
        self._threshold = LEVELS[level]
        self._write = write
        self._fields = fields or {}

    def bind(self, **fields: Any) -> Log:
        """Return a log that adds `fields` to every event."""
        return Log(self._level, self._write, {**self._fields, **fields})

    def info(self, event: str, **fields: Any) -> None:
        """Tell what happened."""
        self.event("INFO", event, fields)

    def warning(self, event: str, **fields: Any) -> None:
        """Tell what went wrong and is being dealt with."""
        self.event("WARNING", event, fields)

    def error(self, event: str, **fields: Any) -> None:
        """Tell what a person must look at."""
        self.event("ERROR", event, fields)

    def event(self, level: str, event: str, fields: dict[str, Any]) -> None:
        """Write one line, if `level` is not below the log's."""
        if LEVELS.get(level, 20) >= self._threshold:
            now = datetime.now(UTC).isoformat(timespec="milliseconds")
            line = {"at": now, "level": level, "event": event, **self._fields, **fields}
            self._write(json.dumps(line, default=str, separators=(",", ":")) + "\n")


def ranges(indexes: list[int]) -> str:
    """Return ascending indexes as text: `0-24,30`."""
    parts = list[str]()
    start = previous = None
    for index in [*indexes, None]:
        if start is not None and previous is not None and index != previous + 1:
            parts.append(f"{start}" if start == previous else f"{start}-{previous}")
            start = None
        start = index if start is None else start
        previous = index
    return ",".join(parts)
