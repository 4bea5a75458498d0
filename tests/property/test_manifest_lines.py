"""A manifest's readers: any text, cut anywhere into chunks, gives the same tasks and the same line numbers."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.errors import BadInput
from orchestrator.model.sources import ManifestFormat
from orchestrator.service import manifest_lines
from orchestrator.service.manifest_lines import (
    BOM,
    LINE_MAX_BYTES,
    Row,
    gunzip,
    reader_of,
    skip_bytes,
    split_lines,
)

ENDS = st.sampled_from([b"\n", b"\r\n"])
KINDS: st.SearchStrategy[ManifestFormat] = st.sampled_from(["jsonl", "csv"])
# Rich in what readers trip over.
PIECES = ["\n", "\r\n", "\r", '"', '""', ",", "a", " ", "{", "}", '"k":', "1", "é", "\0", "\ufeff"]
MORE_PIECES = ["\\", "[", "]", "NaN", "\u2028"]
ANY_TEXT = st.lists(
    st.sampled_from([*(piece.encode() for piece in PIECES + MORE_PIECES), b"\xff", b"\xc3"]),
    max_size=40,
).map(b"".join)


@st.composite
def cut(draw: st.DrawFn, texts: st.SearchStrategy[bytes]) -> tuple[bytes, list[bytes]]:
    """Return a text and the chunks that it comes in; some are empty."""
    text = draw(texts)
    places = sorted(draw(st.lists(st.integers(0, len(text)), max_size=6)))
    return text, [text[a:b] for a, b in pairwise([0, *places, len(text)])]


def rows(kind: ManifestFormat, chunks: list[bytes]) -> list[Row] | str:
    """Return all rows, or what is said where they cannot be told apart."""
    try:
        return list(reader_of(kind).read(split_lines(chunks), whole=True))
    except BadInput as error:
        return str(error)


@given(cut(ANY_TEXT), KINDS)
def test_where_the_chunks_end_changes_nothing(
    made: tuple[bytes, list[bytes]], kind: ManifestFormat
) -> None:
    text, chunks = made
    assert rows(kind, chunks) == rows(kind, [text])


@given(ANY_TEXT, KINDS)
def test_every_byte_and_every_line_is_accounted_for_once(text: bytes, kind: ManifestFormat) -> None:
    found = rows(kind, [text])
    if isinstance(found, str):
        assert kind == "csv"
        return
    assert sum(row.size for row in found) == len(text)
    assert [row.line for row in found] == [1, *(row.after for row in found)][: len(found)]
    assert all(row.text is None or row.fault is None for row in found)


@given(ANY_TEXT, KINDS, st.data())
def test_a_reader_that_goes_on_behind_any_row_gives_the_rest(
    text: bytes, kind: ManifestFormat, data: st.DataObject
) -> None:
    reader = reader_of(kind)
    seen: list[tuple[Row, Sequence[str] | None]] = []
    try:
        seen.extend((row, reader.columns) for row in reader.read(split_lines([text]), whole=True))
    except BadInput:
        return
    place = data.draw(st.integers(0, len(seen)))
    offset, line = (
        sum(row.size for row, _ in seen[:place]),
        ([1, *(r.after for r, _ in seen)])[place],
    )
    columns = seen[place - 1][1] if place else None
    rest = reader_of(kind, columns).read(split_lines(skip_bytes([text], offset), line), whole=True)
    assert list(rest) == [row for row, _ in seen[place:]]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@given(
    st.lists(JSON | st.just(...), max_size=8),
    ENDS,
    st.booleans(),
    st.booleans(),
)
def test_json_lines_are_what_they_say_blank_ones_left_out(
    values: list[Any], end: bytes, bom: bool, ended: bool
) -> None:
    lines = [b"  " if v is ... else json.dumps(v, ensure_ascii=False).encode() for v in values]
    text = (BOM if bom else b"") + end.join(lines) + (end if ended else b"")
    found = rows("jsonl", [text])
    assert not isinstance(found, str)
    tasks = [(row.line, json.loads(row.text)) for row in found if row.text is not None]
    assert tasks == [(number, v) for number, v in enumerate(values, 1) if v is not ...]
    assert not [row.fault for row in found if row.fault]


CELL = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=6)


@given(
    st.lists(st.tuples(CELL, CELL), max_size=6),
    st.sampled_from(["\n", "\r\n"]),
    st.booleans(),
    st.booleans(),
    st.data(),
)
def test_csv_is_read_as_it_was_written(
    cells: list[tuple[str, str]], end: str, bom: bool, ended: bool, data: st.DataObject
) -> None:
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator=end, quoting=csv.QUOTE_ALL)
    starts, written = [], [("first", "second"), *cells]
    for row in written:
        if data.draw(st.booleans()):
            out.write(end)
        starts.append(out.getvalue().count("\n") + 1)
        writer.writerow(row)
    text = out.getvalue() if ended else out.getvalue().removesuffix(end)
    found = rows("csv", [(BOM if bom else b"") + text.encode()])
    assert not isinstance(found, str)
    tasks = [(row.line, json.loads(row.text)) for row in found if row.text is not None]
    expected = [{"first": a, "second": b} for a, b in cells]
    assert tasks == list(zip(starts[1:], expected, strict=True))


@given(st.text(alphabet='a,"\n', max_size=30))
def test_quotes_anywhere_mean_what_they_mean_to_the_standard_library(text: str) -> None:
    try:
        expected = [row for row in csv.reader(io.StringIO(text, newline=""), strict=True) if row]
    except csv.Error:
        return
    found = list(reader_of("csv", ["h"]).read(split_lines([text.encode()]), whole=True))
    made = [row for row in found if row.text is not None or row.fault is not None]
    assert [json.loads(row.text) if row.text else row.fault for row in made] == [
        {"h": row[0]} if len(row) == 1 else f"has {len(row)} values for 1 columns"
        for row in expected
    ]


@given(cut(st.binary(max_size=200)), st.integers(0, 2), st.integers(0, 3))
def test_gzip_is_unpacked_at_any_chunk_size_all_its_members_and_its_padding(
    made: tuple[bytes, list[bytes]], members: int, padding: int
) -> None:
    text, _ = made
    packed = b"".join(gzip.compress(text) for _ in range(members + 1)) + b"\0" * padding
    for size in (1, 7, len(packed)):
        chunks = [packed[at : at + size] for at in range(0, len(packed), size)]
        assert b"".join(gunzip(chunks)) == text * (members + 1)


@given(st.binary(min_size=1, max_size=100), st.data())
def test_gzip_that_is_cut_off_or_broken_is_said_to_be(text: bytes, data: st.DataObject) -> None:
    packed = gzip.compress(text)
    place = data.draw(st.integers(0, len(packed) - 1))
    with pytest.raises(BadInput, match=r"cut off|broken"):
        list(gunzip([packed[:place]]))
    with pytest.raises(BadInput, match="broken"):
        list(gunzip([packed + b"more"]))


def test_what_gzip_makes_of_little_comes_in_bounded_pieces() -> None:
    pieces = list(gunzip([gzip.compress(bytes(50 * 1024 * 1024))]))
    assert max(map(len, pieces)) <= manifest_lines.CHUNK_BYTES
    assert sum(map(len, pieces)) == 50 * 1024 * 1024


@pytest.mark.parametrize("step", [997, 65_536, 10**7])
def test_a_line_above_the_limit_is_one_bad_line_and_the_next_ones_are_read(step: int) -> None:
    text = b"1\n" + b"[" * (LINE_MAX_BYTES + 5) + b"\n2\n" + b'"' * 3 * LINE_MAX_BYTES
    found = rows("jsonl", [text[at : at + step] for at in range(0, len(text), step)])
    assert not isinstance(found, str)
    assert [row.text for row in found] == [b"1", None, b"2", None]
    assert [row.fault for row in found if row.fault] == [
        f"is longer than {LINE_MAX_BYTES} bytes"
    ] * 2
    assert sum(row.size for row in found) == len(text)
    assert all(len(row.seen) <= 80 for row in found)
