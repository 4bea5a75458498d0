"""A manifest's bytes as tasks: gunzip, lines, JSON lines, CSV. Pure, streaming, at any chunk size the same."""

from __future__ import annotations

import csv
import json
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

from orchestrator.errors import BadInput, cut
from orchestrator.model.sources import ManifestFormat
from orchestrator.model.strict_json import NotStrict, parse_strict
from orchestrator.spec import ITEM_MAX_BYTES, encode_json

GZIP_MAGIC = b"\x1f\x8b"
BOM = b"\xef\xbb\xbf"
LINE_MAX_BYTES = ITEM_MAX_BYTES
CHUNK_BYTES = 1024 * 1024
_SPACE = b" \t\r\n"
_TOO_LONG = f"is longer than {LINE_MAX_BYTES} bytes"
csv.field_size_limit(LINE_MAX_BYTES)


class Line(NamedTuple):
    """One line: its number (from 1), its text without the line feed, its size with it, in bytes.

    The text of a line above the limit is cut just behind it. `ended`: a line feed follows.
    """

    number: int
    text: bytes
    size: int
    ended: bool = True


class Row(NamedTuple):
    """What one or more lines are: a task's input (JSON in one line), a fault, or neither (blank, the header).

    `line` is where it begins, `after` the line that follows, `size` its bytes with all line ends.
    """

    line: int
    after: int
    size: int
    text: bytes | None = None
    fault: str | None = None
    seen: str = ""


type InputCheck = Callable[[bytes], str | None]
"""Tells what is wrong with the input of a task, JSON text, if anything is."""


def gunzip(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield what gzip holds, all its members, at most 1 MiB at a time. Raises BadInput."""
    member = zlib.decompressobj(wbits=31)
    for chunk in chunks:
        data = chunk
        while data:
            if member.eof:
                data = data.lstrip(b"\0")  # Padding may follow a member; gzip ignores it too.
                if not data:
                    break
                member = zlib.decompressobj(wbits=31)
            try:
                text = member.decompress(data, CHUNK_BYTES)
            except zlib.error as error:
                raise BadInput(f"the manifest is broken gzip: {error}") from error
            data = member.unused_data if member.eof else member.unconsumed_tail
            if text:
                yield text
    if not member.eof:
        raise BadInput("the manifest is cut off: its gzip ends before its end mark")


def skip_bytes(chunks: Iterable[bytes], count: int) -> Iterator[bytes]:
    """Yield what follows the first `count` bytes."""
    for chunk in chunks:
        if count < len(chunk):
            yield chunk[count:]
        count = max(count - len(chunk), 0)


def split_lines(chunks: Iterable[bytes], number: int = 1) -> Iterator[Line]:
    """Cut bytes into lines at line feeds; a byte order mark before line 1 is left out of its text."""
    keep = LINE_MAX_BYTES + 1
    held, dropped = b"", 0
    for chunk in chunks:
        *whole, rest = (held + chunk).split(b"\n")
        for text in whole:
            yield _line(number, text[:keep], len(text) + dropped + 1)
            number, dropped = number + 1, 0
        held, dropped = rest[:keep], dropped + max(len(rest) - keep, 0)
    if held:
        yield _line(number, held, len(held) + dropped)._replace(ended=False)


def _line(number: int, text: bytes, size: int) -> Line:
    return Line(number, text.removeprefix(BOM) if number == 1 else text, size)


class JsonRows:
    """JSON lines: one task a line, its input any JSON."""

    columns: Sequence[str] | None = None

    def read(self, lines: Iterable[Line], *, whole: bool) -> Iterator[Row]:
        """Yield the rows; a last line without its end is left out where the lines are not the whole."""
        for line in lines:
            if whole or line.ended:
                yield _json_row(line)


def _json_row(line: Line) -> Row:
    number, text, size, _ = line
    row = Row(number, number + 1, size)
    if len(text) > LINE_MAX_BYTES:
        return _bad(row, _TOO_LONG, text)
    stripped = text.strip(_SPACE)
    if not stripped:
        return row
    try:
        parse_strict(stripped.decode())
    except UnicodeDecodeError as error:
        return _bad(row, _not_utf8(error), text)
    except json.JSONDecodeError as error:
        return _bad(row, f"is not JSON at column {error.colno}: {error.msg}", text)
    except NotStrict as error:
        return _bad(row, error.rule, text)
    return row._replace(text=stripped)


def _bad(row: Row, fault: str, text: bytes) -> Row:
    return row._replace(fault=fault, seen=cut(text[:400].strip(_SPACE).decode(errors="replace")))


def judge_inputs(rows: Iterable[Row], fault_of: InputCheck | None) -> Iterator[Row]:
    """Yield the rows, those whose input can be no task's as bad ones."""
    for row in rows:
        fault = fault_of(row.text) if row.text is not None and fault_of is not None else None
        if row.text is not None and fault is not None:
            yield _bad(row, fault, row.text)._replace(text=None)
        else:
            yield row


def _not_utf8(error: UnicodeDecodeError) -> str:
    byte = error.object[error.start]
    return f"is not UTF-8: byte 0x{byte:02x} at position {error.start + 1}"


class CsvRows:
    """CSV as RFC 4180 has it: commas, quotes doubled within quotes, line feeds within quotes, a header row."""

    def __init__(self, columns: Sequence[str] | None) -> None:
        self.columns = columns

    def read(self, lines: Iterable[Line], *, whole: bool) -> Iterator[Row]:
        """Yield the rows; where the lines are not the whole, a row that goes on behind them is left out.

        Raises BadInput where the header is bad, or where rows cannot be told apart.
        """
        record: list[bytes] = []
        first, size, quoted = 0, 0, False
        for number, text, length, ended in lines:
            if len(text) > LINE_MAX_BYTES:
                raise BadInput(f"line {number} {_TOO_LONG}, so the rows behind it cannot be told")
            if not quoted:
                first, size, record = number, 0, []
            size += length
            quoted = _opens(text, quoted)
            if size <= 2 * LINE_MAX_BYTES:
                record.append(text)
            if not quoted and (whole or ended):
                yield self._row(Row(first, number + 1, size), b"\n".join(record))
        if quoted and whole:
            raise BadInput(f"the quote that opens in the row of line {first} is never closed")

    def _row(self, row: Row, text: bytes) -> Row:
        if row.size > LINE_MAX_BYTES:
            return _bad(row, _TOO_LONG, text)
        if not text.strip(_SPACE):
            return row
        try:
            values = _values(text.removesuffix(b"\r").decode())
        except UnicodeDecodeError as error:
            return self._refuse(row, _not_utf8(error), text)
        except csv.Error as error:
            return self._refuse(row, f"is not CSV: {error}", text)
        if self.columns is None:
            self.columns = check_header(values, row.line)
            return row
        if len(values) != len(self.columns):
            fault = f"has {len(values)} values for {len(self.columns)} columns"
            return _bad(row, fault, text)
        made = encode_json({**dict(zip(self.columns, values, strict=True))})
        if len(made) > ITEM_MAX_BYTES:
            return _bad(row, f"makes an input of more than {ITEM_MAX_BYTES} bytes of JSON", text)
        return row._replace(text=made)

    def _refuse(self, row: Row, fault: str, text: bytes) -> Row:
        if self.columns is None:
            raise BadInput(f"line {row.line}, the header row, {fault}")
        return _bad(row, fault, text)


def _opens(text: bytes, quoted: bool) -> bool:
    """Tell whether a line ends within quotes, `quoted` as it begins. A quote opens only a field's beginning."""
    if b'"' not in text:
        return quoted
    position, end = 0, len(text)
    while position < end:
        if quoted:
            position = text.find(b'"', position) + 1
            if position == 0:
                return True
            if text[position : position + 1] == b'"':
                position += 1
                continue
            quoted = False
        elif text[position : position + 1] == b'"':
            quoted, position = True, position + 1
            continue
        position = text.find(b",", position) + 1
        if position == 0:
            return False
    return quoted


def _values(text: str) -> list[str]:
    if "\0" in text:
        raise csv.Error("it holds a NUL character")
    if '"' not in text and "\r" not in text:
        return text.split(",")
    return next(csv.reader([text], strict=True))


def check_header(names: Sequence[str], line: int) -> list[str]:
    """Return the names of the columns. Raises BadInput."""
    columns = [name.strip() for name in names]
    if columns[0].startswith(("{", "[")):
        raise BadInput(f'line {line} is no header row but JSON: give the format "jsonl"')
    for position, name in enumerate(columns):
        if not name:
            raise BadInput(
                f"line {line}, the header row, names no column {position + 1}: "
                "its names become the keys of each task's input"
            )
        if name in columns[:position]:
            raise BadInput(f"line {line}, the header row, names the column {cut(name)!r} twice")
    return columns


def reader_of(kind: ManifestFormat, columns: Sequence[str] | None = None) -> JsonRows | CsvRows:
    """Return what reads a manifest of this kind; `columns` of a CSV are None until its header row is read."""
    return CsvRows(columns) if kind == "csv" else JsonRows()
