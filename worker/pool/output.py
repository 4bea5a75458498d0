"""What handlers print and log, as bounded log lines: a task that prints 100 MB fills no disk."""

from __future__ import annotations

from typing import Any

from worker.log import Log

LINES_MAX = 100
LINE_MAX_BYTES = 2_000


class TaskOutput:
    """Log lines of one task; the first hundred are kept, the rest counted."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._lines = 0
        self._rest = b""

    def printed(self, data: bytes) -> None:
        """Take what came from standard output and error."""
        *lines, rest = (self._rest + data).split(b"\n") if self._lines < LINES_MAX else (data, b"")
        self._rest = rest[:LINE_MAX_BYTES]
        for line in lines:
            self._printed_line(line)

    def _printed_line(self, line: bytes) -> None:
        self._lines += 1
        if self._lines <= LINES_MAX:
            text = line[:LINE_MAX_BYTES].decode(errors="backslashreplace")
            self._log.info("output", line=text)

    def logged(self, header: dict[str, Any]) -> None:
        """Take a record that the handler logged."""
        self._lines += 1
        if self._lines <= LINES_MAX:
            fields = {"message": header["message"], **header["fields"]}
            self._log.event(header["level"], "handler_log", fields)

    def end(self) -> None:
        """Write the last line, and how many were left out."""
        if self._rest:
            self._printed_line(self._rest)
        if self._lines > LINES_MAX:
            self._log.warning("output_cut", kept=LINES_MAX)
