"""The profile of one file, from its bytes: the steps in order, and what stops them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from itertools import chain
from typing import BinaryIO, Literal

from orchestrator.errors import cut
from worker.api import Json, PermanentError
from worker.handlers.csv_profile.columns import describe
from worker.handlers.csv_profile.dialect import Dialect, detect_dialect
from worker.handlers.csv_profile.encoding import detect_encoding, legacy
from worker.handlers.csv_profile.records import Lines, batches
from worker.handlers.csv_profile.source import BLOCK_BYTES, Source
from worker.handlers.csv_profile.tally import Tally
from worker.handlers.csv_profile.text import Undecodable, decoded, whole_lines

COLUMNS_DETAILED = 1_000
"""Columns beyond these are counted and not described, so that a result stays under a megabyte."""


NO_ROWS = "the file has a header and no rows below it"
_OTHER_TEXTS = {
    "<!doctype": "an HTML page",
    "<html": "an HTML page",
    "<?xml": "XML",
    '{"': "JSON",
    "[{": "JSON",
}

type Choice = Literal["report", "fail"]


@dataclass(frozen=True, slots=True)
class Options:
    """What the submitter of the job decided; None is found out from each file."""

    on_bad_lines: Choice = "report"
    on_no_rows: Choice = "report"
    delimiter: str | None = None
    header: bool | None = None
    encoding: str | None = None


def profile(
    open_file: Callable[[], BinaryIO],
    options: Options,
    on_batch: Callable[[int], None] = lambda _: None,
) -> dict[str, Json]:
    """Profile a file, without its name. `on_batch` is told the stored bytes read so far.

    Opens the file again when its encoding turns out to be another one than its start suggested.
    Raises PermanentError.
    """
    try:
        bytes(4).decode(options.encoding or "utf-8", "ignore")
    except LookupError as error:
        raise PermanentError(str(error), type="UnknownEncoding") from error
    return _attempt(open_file, options, on_batch, options.encoding)


def _attempt(
    open_file: Callable[[], BinaryIO],
    options: Options,
    on_batch: Callable[[int], None],
    encoding: str | None,
) -> dict[str, Json]:
    with open_file() as stream:
        source = Source(stream)
        blocks = source.blocks()
        sample, whole = _sample(blocks)
        encoding = encoding or detect_encoding(sample)
        try:
            text = "".join(decoded([sample], encoding, final=whole))
            dialect = _dialect(text, options, whole=whole)
            pieces = whole_lines(decoded(chain([sample], blocks), encoding))
            tally, lines = _count(pieces, dialect, lambda: on_batch(source.bytes_read))
        except Undecodable as error:
            encoding = _other_encoding(encoding, error, options)
        else:
            warnings = _check(lines, options)
            return {
                "bytes": source.bytes_read,
                "compression": source.compression,
                "encoding": encoding,
                **_report(dialect, lines, tally),
                "warnings": warnings,
            }
    return _attempt(open_file, options, on_batch, encoding)


def _sample(blocks: Iterator[bytes]) -> tuple[bytes, bool]:
    """Return the start of the file, and whether it is all of it."""
    sample = b""
    for block in blocks:
        sample += block
        if len(sample) >= BLOCK_BYTES:
            return sample, False
    return sample, True


def _other_encoding(encoding: str, error: Undecodable, options: Options) -> str:
    if options.encoding or encoding.startswith("utf-16") or encoding.startswith("utf-32"):
        raise PermanentError(f"the file is not in {encoding}: {error}", type="WrongEncoding")
    return legacy(error.around) if encoding.startswith("utf-8") else "latin-1"


def _dialect(text: str, options: Options, *, whole: bool) -> Dialect:
    if not text.strip():
        raise PermanentError("the file has no records: it is blank", type="EmptyFile")
    for start, what in _OTHER_TEXTS.items():
        if text.lstrip()[:20].lower().startswith(start):
            raise PermanentError(f"the file is no CSV: it looks like {what}", type="NotCsv")
    return detect_dialect(text, whole=whole, delimiter=options.delimiter, header=options.header)


def _count(
    pieces: Iterator[str], dialect: Dialect, on_batch: Callable[[], None]
) -> tuple[Tally, Lines]:
    columns = min(len(dialect.names), COLUMNS_DETAILED)
    tally = Tally(columns, decimal_comma=dialect.delimiter == ";")
    lines = Lines()
    for batch in batches(pieces, dialect, lines):
        tally.add(batch)
        on_batch()
    tally.finish()
    return tally, lines


def _check(lines: Lines, options: Options) -> list[Json]:
    """Return what is to be warned of, or refuse a file for it."""
    warnings: list[Json] = []
    if not lines.rows and not lines.bad:
        if options.on_no_rows == "fail":
            raise PermanentError(NO_ROWS, type="HeaderOnly")
        warnings.append(NO_ROWS)
    if lines.bad:
        if options.on_bad_lines == "fail" or lines.bad > lines.rows:
            raise PermanentError(ragged(lines), type="RaggedLines")
        warnings.append(ragged(lines))
    return warnings


def ragged(lines: Lines) -> str:
    """Say which lines have how many fields, and what can be done."""
    expected = lines.named[0].expected
    named = ", ".join(f"line {line.line} has {line.seen}" for line in lines.named[:5])
    more = lines.bad - len(lines.named[:5])
    return (
        f"{lines.bad} of {lines.rows + lines.bad} records do not have {expected} fields: {named}"
        + (f", and {more} more" if more else "")
        + "; is a delimiter inside a field not quoted?"
    )


def _report(dialect: Dialect, lines: Lines, tally: Tally) -> dict[str, Json]:
    names = dialect.names
    return {
        "dialect": {
            "delimiter": dialect.delimiter,
            "quote": dialect.quote,
            "header": dialect.header,
        },
        "rows": lines.rows,
        "blank_lines": lines.blank,
        "bad_lines": {"count": lines.bad, "lines": [asdict(line) for line in lines.named]},
        "column_count": len(names),
        "columns_left_out": max(len(names) - COLUMNS_DETAILED, 0),
        "columns": describe(tally, [cut(name) for name in names[:COLUMNS_DETAILED]]),
    }
