"""How a text is divided: delimiter, quote character, header, found from a sample of it."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Protocol

DELIMITERS = (",", ";", "\t", "|")
_LINES_SEEN = 100
_TYPED = re.compile(
    r"\s*(?:[+-]?(?:\d[\d,]*(?:\.\d*)?|\d*[.,]\d+)(?:[eE][+-]?\d+)?%?"  # numbers
    r"|\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}(?:[ T]\d{1,2}:\d{2}\S*)?"  # dates and timestamps
    r"|(?i:true|false))\s*"
)
_NULL = re.compile(r"\s*(?i:|na|n/a|nan|null|\\n|#n/a|<na>)\s*")


class Reader(Protocol):
    """The records of a text, and how many of its lines they took so far."""

    line_num: int

    def __iter__(self) -> Iterator[list[str]]:
        """Return itself."""
        ...

    def __next__(self) -> list[str]:
        """Return the next record. Raises csv.Error."""
        ...


@dataclass(frozen=True, slots=True)
class Dialect:
    """How to read a file as records; `names` are the columns, made up where there is no header."""

    delimiter: str
    quote: str
    header: bool
    names: tuple[str, ...] = ()
    header_fields: int = 0
    """Fields of the header record: one less than names where R wrote row names without a name."""

    def reader(self, lines: Iterable[str]) -> Reader:
        """Return the records of `lines`, as lists of fields."""
        return csv.reader(lines, delimiter=self.delimiter, quotechar=self.quote)


def detect_dialect(
    sample: str, *, whole: bool, delimiter: str | None = None, header: bool | None = None
) -> Dialect:
    """Find the dialect; `whole` says that the sample is all there is. Arguments given are kept."""
    start = "".join(islice(io.StringIO(sample, newline=""), _LINES_SEEN))
    sample, whole = start, whole and len(start) == len(sample)
    quote = _quote(sample)
    present = [delimiter] if delimiter else [each for each in DELIMITERS if each in sample]
    best = max(
        (Dialect(each, quote, header=True) for each in present or DELIMITERS[:1]),
        key=lambda dialect: _score(sample_rows(sample, dialect, whole=whole), dialect.delimiter),
    )
    rows = sample_rows(sample, best, whole=whole)
    return with_names(best, rows, header)


def with_names(dialect: Dialect, rows: list[list[str]], header: bool | None = None) -> Dialect:
    """Decide about the header, and name the columns."""
    if not rows:
        return dialect
    width = _width(rows)
    while len(rows) > 1 and len(rows[0]) != width and not _lacks_row_names(rows[0], width):
        rows = rows[1:]  # a preamble, such as a comment
    has = _has_header(rows) if header is None else header
    given = rows[0] if has else [""] * width
    size = len(given) if has else 0
    if has and _lacks_row_names(given, width):
        given = ["", *given]
    return replace(dialect, header=has, names=_unique(given), header_fields=size)


def _width(rows: list[list[str]]) -> int:
    """The first record's, if a good part of the others agree; else what most have."""
    agree = sum(len(row) == len(rows[0]) for row in rows[1:])
    return len(rows[0]) if agree >= 0.3 * len(rows[1:]) else _usual_width(rows[1:])


def _lacks_row_names(header: list[str], width: int) -> bool:
    """R's write.table writes a header that is one shorter than the rows."""
    return len(header) == width - 1 > 1


def sample_rows(sample: str, dialect: Dialect, *, whole: bool) -> list[list[str]]:
    """Return the records of a sample that are complete and not blank."""
    rows: list[list[str]] = []
    try:
        rows.extend(dialect.reader(io.StringIO(sample, newline="")))
        if not whole and len(rows) > 1:
            rows.pop()  # the sample may end in the middle of it
    except csv.Error:
        pass  # a field without end: the records before it must do
    return [row for row in rows if any(field.strip() for field in row)]


def _quote(sample: str) -> str:
    """A single quote is one only where it stands beside delimiters and the double one does not."""
    beside = Counter(re.findall(r"(?:^|[,;\t|])(['\"])[^'\"\n]*\1(?=[,;\t|\r\n])", sample, re.M))
    return "'" if beside["'"] > beside['"'] else '"'


def _usual_width(rows: list[list[str]]) -> int:
    return Counter(map(len, rows)).most_common(1)[0][0]


def _score(rows: list[list[str]], delimiter: str) -> tuple[float, int]:
    """Records of one width score, and fields that look like one value each.

    The idea of van den Burg, Nazabal and Sutton, "Wrangling messy CSV files by detecting row and
    type patterns" (2019): a wrong delimiter leaves other delimiters in fields of no known type.
    """
    width = _usual_width(rows) if rows else 1
    if width == 1:
        return 0.0, 1
    same = [row for row in rows if len(row) == width]
    if len(same) == 1 and len(rows) > 2:
        return 0.0, 1
    fields = [field for row in same for field in row]
    others = [each for each in DELIMITERS if each != delimiter]
    clean = sum(
        bool(_TYPED.fullmatch(field)) or not any(other in field for other in others)
        for field in fields
    )
    return (len(same) / len(rows)) ** 2 * clean / len(fields), width


def _has_header(rows: list[list[str]]) -> bool:
    """Compare each field of the first record with the column below it."""
    first, below = rows[0], rows[1:]
    if not below:
        return not any(_TYPED.fullmatch(field) for field in first)
    if _names_rows(rows):
        return True
    votes = 0
    for name, *column in zip(first[::-1], *(row[::-1] for row in below), strict=False):
        votes += _vote(name, [value for value in column if not _NULL.fullmatch(value)])
    return votes >= 0


def _names_rows(rows: list[list[str]]) -> bool:
    """Tell whether the only gap of the first column is in the first record: above row names.

    Then the other names may be numbers, such as years.
    """
    first = rows[0]
    gaps = sum(not row[0].strip() for row in rows)
    return len(rows) > 2 and not first[0].strip() and gaps == 1 and len(set(first)) == len(first)


def _vote(name: str, column: list[str]) -> int:
    """1: `name` names the column; -1: it is one of its values; 0: cannot be told."""
    if not column or _NULL.fullmatch(name):
        return 0
    typed = sum(bool(_TYPED.fullmatch(value)) for value in column) / len(column)
    if typed > 0.9:
        return -1 if _TYPED.fullmatch(name) else 1
    return -1 if name in column else 0


def _unique(names: Sequence[str]) -> tuple[str, ...]:
    """Name the nameless by position (column_3) and tell apart those that repeat (name_2)."""
    found: list[str] = []
    seen: set[str] = set()
    for position, given in enumerate(names, 1):
        name = given.strip() or f"column_{position}"
        again, plain = 2, name
        while name in seen:
            name, again = f"{plain}_{again}", again + 1
        seen.add(name)
        found.append(name)
    return tuple(found)
