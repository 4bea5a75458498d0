"""The records of a text in batches of bounded size; lines that do not fit are set aside by number."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain

from worker.api import PermanentError
from worker.handlers.csv_profile.dialect import Dialect

BATCH_FIELDS = 400_000
BATCH_CHARS = 16 * 1024 * 1024
FIELD_MAX_CHARS = 1024 * 1024
LINES_NAMED = 20
_END = "\x00\x00"
"""Comes after the last line: a field that swallows it was opened by a quote and never closed."""

type Row = list[str]


@dataclass(frozen=True, slots=True)
class BadLine:
    """A record of another width than the others: where it starts, fields expected and seen."""

    line: int
    expected: int
    seen: int


@dataclass
class Lines:
    """What was seen of the lines of a file so far; `named` are the first bad ones."""

    rows: int = 0
    chars: int = 0
    blank: int = 0
    bad: int = 0
    named: list[BadLine] = field(default_factory=list)

    def set_aside(self, line: int, expected: int, row: Row) -> None:
        """Count a line that is blank or bad."""
        if is_blank(row):
            self.blank += 1
            return
        self.bad += 1
        if len(self.named) < LINES_NAMED:
            self.named.append(BadLine(line, expected, len(row)))


def batches(pieces: Iterable[str], dialect: Dialect, seen: Lines) -> Iterator[list[Row]]:
    """Yield the records below the header that have all fields; `seen` counts all of them.

    Raises PermanentError: UnclosedQuote.
    """
    width, header = len(dialect.names), dialect.header
    batch: list[Row] = []
    limit = seen.chars + BATCH_CHARS
    for line, row in _numbered(pieces, dialect, seen):
        if len(row) == width and not header:
            batch.append(row)
        elif header and len(row) == dialect.header_fields:
            header = False
        else:
            seen.set_aside(line, width, row)
        if len(batch) * width >= BATCH_FIELDS or seen.chars > limit:
            seen.rows += len(batch)
            yield batch
            batch, limit = [], seen.chars + BATCH_CHARS
    seen.rows += len(batch)
    yield batch


def _numbered(pieces: Iterable[str], dialect: Dialect, seen: Lines) -> Iterator[tuple[int, Row]]:
    """Yield each record with the number of the line that it starts at."""
    csv.field_size_limit(FIELD_MAX_CHARS)
    lines = chain.from_iterable(io.StringIO(piece, newline="") for piece in _counted(pieces, seen))
    reader = dialect.reader(chain(lines, [_END]))
    line, end = 1, [_END]
    try:
        for row in reader:
            if row == end:
                return
            if row and row[-1].endswith(_END):
                raise _unclosed(line, "the file ends inside it")
            yield line, row
            line = reader.line_num + 1
    except csv.Error as error:
        raise _unclosed(line, f"a field is longer than {FIELD_MAX_CHARS} characters") from error


def is_blank(row: Row) -> bool:
    """Tell whether a line has nothing, not even a delimiter."""
    return not row or (len(row) == 1 and not row[0].strip())


def _counted(pieces: Iterable[str], seen: Lines) -> Iterator[str]:
    for piece in pieces:
        seen.chars += len(piece)
        yield piece


def _unclosed(line: int, what: str) -> PermanentError:
    return PermanentError(
        f"the record that starts at line {line} has a quote that is not closed: {what}",
        type="UnclosedQuote",
    )
