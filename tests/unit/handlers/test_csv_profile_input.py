"""csv.profile reads what people have, and says in words what it cannot read."""

from __future__ import annotations

import bz2
import contextlib
import gzip
import lzma
import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from worker import Cancelled, PermanentError
from worker.handlers.csv_profile import dialect, profile, records, source, text
from worker.invoke import InvalidInput
from worker.testing import run_handler

DATA = Path(__file__).parent / "data"
GOOD = "id,name,share\n" + "".join(f"{i},n{i % 3},{i / 8}\n" for i in range(2_000))
GZIP = gzip.compress(GOOD.encode())


def run(content: bytes | str | Path, /, **parameters: Any) -> dict[str, Any]:
    result: dict[str, Any] = run_handler(
        "csv.profile", {"key": "f"}, parameters, files={"f": content}
    )
    return result


def names(content: str) -> list[str]:
    return [column["name"] for column in run(content)["columns"]]


def broken(good: bytes) -> bytes:
    middle = len(good) // 2
    return (
        good[:middle]
        + bytes(255 - byte for byte in good[middle : middle + 40])
        + good[middle + 40 :]
    )


@pytest.mark.parametrize(
    ("content", "type_", "says"),
    [
        (b"", "EmptyFile", "0 bytes"),
        (b"\n \r\n", "EmptyFile", "blank"),
        (gzip.compress(b""), "EmptyFile", "blank"),
        (random.Random(1).randbytes(3_000), "BinaryFile", "control characters"),
        (b"PK\x03\x04...", "BinaryFile", "zip archive or an Excel workbook"),
        (GZIP[: len(GZIP) // 2], "TruncatedGzip", "before its end mark"),
        (GZIP[:-3], "TruncatedGzip", "before its end mark"),
        (broken(GZIP), "CorruptGzip", "cannot be decompressed"),
        (bz2.compress(GOOD.encode())[:-9], "TruncatedBzip2", "before its end mark"),
        (broken(bz2.compress(GOOD.encode())), "CorruptBzip2", "cannot be decompressed"),
        (lzma.compress(GOOD.encode())[:-9], "TruncatedXz", "before its end mark"),
        (broken(lzma.compress(GOOD.encode())), "CorruptXz", "cannot be decompressed"),
        (b"<!DOCTYPE html>\n<p>not, found", "NotCsv", "an HTML page"),
        (b'{"a": 1, "b": 2}\n', "NotCsv", "JSON"),
        (b'a,b\n1,2\n3,"x\n4,y\n', "UnclosedQuote", "starts at line 3"),
        ("a,b\n1,2".encode("utf-16")[:-1], "WrongEncoding", "utf-16"),
    ],
)
def test_what_is_no_table_fails_with_its_cause(content: bytes, type_: str, says: str) -> None:
    with pytest.raises(PermanentError, match=says) as raised:
        run(content)
    assert raised.value.type == type_


def test_a_missing_object_fails_with_its_key() -> None:
    with pytest.raises(PermanentError, match=r"no object 'up/x\.csv'") as raised:
        run_handler("csv.profile", {"key": "up/x.csv"})
    assert raised.value.type == "MissingFile"


def test_bad_lines_are_named_in_the_profile() -> None:
    found = run(DATA / "ragged.csv")
    assert found["rows"] == 5
    assert found["blank_lines"] == 1
    assert found["bad_lines"] == {
        "count": 2,
        "lines": [{"line": 5, "expected": 3, "seen": 2}, {"line": 8, "expected": 3, "seen": 4}],
    }
    assert "line 5 has 2, line 8 has 4" in found["warnings"][0]


def test_bad_lines_fail_the_task_where_the_job_wants_it() -> None:
    with pytest.raises(PermanentError, match="2 of 7 records do not have 3 fields: line 5 has 2"):
        run(DATA / "ragged.csv", on_bad_lines="fail")


def test_mostly_bad_lines_always_fail_the_task() -> None:
    with pytest.raises(PermanentError) as raised:
        run("a,b,c\n1,2,3\n1,2,3\n" + "".join(f"1{',2' * i}\n" for i in range(4, 9)))
    assert raised.value.type == "RaggedLines"


def test_only_so_many_bad_lines_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "LINES_NAMED", 3)
    found = run("a,b\n" + "1,2\n" * 50 + "1\n" * 30)
    assert found["bad_lines"]["count"] == 30
    assert [line["line"] for line in found["bad_lines"]["lines"]] == [52, 53, 54]


def test_a_header_without_rows_is_a_warning_or_a_failure() -> None:
    found = run("a,b\n")
    assert (found["rows"], found["warnings"]) == (0, [profile.NO_ROWS])
    assert [column["type"] for column in found["columns"]] == ["empty", "empty"]
    with pytest.raises(PermanentError, match="no rows"):
        run("a,b\n", on_no_rows="fail")


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress])
def test_compression_is_seen_by_content(pack: Callable[[bytes], bytes]) -> None:
    packed, plain = run(pack(GOOD.encode())), run(GOOD)
    assert packed["compression"] != "none"
    assert packed["columns"] == plain["columns"]


@pytest.mark.parametrize(
    ("encoding", "content"),
    [
        ("utf-8", "näme,b\nß,1\n"),
        ("utf-8-sig", "näme,b\nß,1\n"),
        ("utf-16", "näme,b\nß,1\n"),
        ("utf-16-le", "name,b\nabc,1\n"),
        ("utf-16-be", "name,b\nabc,1\n"),
        ("latin-1", "näme,b\nß,1\n"),
        ("cp1252", "näme,b\n“ß” €,1\n"),
        ("cp1251", "имя,b\nМосква,1\nСанкт-Петербург,2\n"),
        ("cp932", "名前,b\n東京,1\n大阪のテスト,2\n"),
    ],
)
def test_encodings_are_found_and_named(encoding: str, content: str) -> None:
    found = run(content.encode(encoding))
    assert found["encoding"] == encoding
    assert found["columns"][0]["name"] == content.partition(",")[0]


def test_a_late_byte_that_is_not_utf_8_changes_the_encoding(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for module in (source, profile):
        monkeypatch.setattr(module, "BLOCK_BYTES", 64)
    found = run(("a,b\n" + "1,x\n" * 99 + "2,é\n").encode("latin-1"))
    assert (found["encoding"], found["rows"]) == ("latin-1", 100)


def test_blocks_may_end_anywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    content = 'é,"b\r\nc"\r\n' + '"x ""y"" ",1\r\n' * 20 + "ü,2"
    whole = run(content)
    for size in (1, 2, 3, 7):
        monkeypatch.setattr(source, "BLOCK_BYTES", size)
        assert run(content) == whole
    assert whole["rows"] == 21


def test_batches_of_any_size_give_one_profile(monkeypatch: pytest.MonkeyPatch) -> None:
    content = GOOD[:3_000] + "x\n\n" + GOOD[3_000:]
    whole = run(content)
    for name, size in (("BATCH_FIELDS", 30), ("BATCH_CHARS", 500)):
        monkeypatch.setattr(source, "BLOCK_BYTES", 400)
        monkeypatch.setattr(records, name, size)
        assert run(content) == whole


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_line_ends_of_all_systems(end: str) -> None:
    assert run(GOOD.replace("\n", end))["columns"] == run(GOOD)["columns"]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_delimiters_are_found_among_others_in_quotes(delimiter: str) -> None:
    content = delimiter.join(["a", "b", "c"]) + "\n"
    content += "".join(delimiter.join([str(i), '"x;y,z|w"', f"{i}.5"]) + "\n" for i in range(9))
    found = run(content)
    assert found["dialect"]["delimiter"] == delimiter
    assert [column["type"] for column in found["columns"]] == ["integer", "text", "number"]


def test_single_quotes_are_found() -> None:
    found = run("a,b\n'x,y',1\n'p,z',2\n")
    assert (found["dialect"]["quote"], found["rows"]) == ("'", 2)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("a,b\n1,2\n", ["a", "b"]),
        ("1,2\n3,4\n", ["column_1", "column_2"]),
        ("x,y\nx,y\n", ["column_1", "column_2"]),
        ('"","1990","2000"\nrow,1,2\nother,3,4\n', ["column_1", "1990", "2000"]),
        ("a\tb\nr1\t1\t2\nr2\t3\t4\n", ["a", "b"]),
        ("a,b,c\nr1,1,2,3\nr2,4,5,6\n", ["column_1", "a", "b", "c"]),
        ("# made by hand\na,b\n1,2\n3,4\n", ["a", "b"]),
        ("a,a,,\n1,2,3,4\n", ["a", "a_2", "column_3", "column_4"]),
        ("x\n1\n\n2\n", ["x"]),
    ],
)
def test_headers_are_found_and_names_are_unique(content: str, expected: list[str]) -> None:
    assert names(content)[-len(expected) :] == expected


def test_what_is_found_can_be_overruled() -> None:
    found = run("a b\nc d\n".encode("utf-16-le"), delimiter=" ", header=False, encoding="utf-16-le")
    assert (found["rows"], found["column_count"]) == (2, 2)
    with pytest.raises(PermanentError, match="unknown encoding"):
        run("a,b\n", encoding="nonsense")
    with pytest.raises(InvalidInput, match="delimiter"):
        run("a,b\n", delimiter="\n")
    with pytest.raises(InvalidInput, match="on_bad_line"):
        run("a,b\n", on_bad_line="fail")


def test_results_stay_small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(profile, "COLUMNS_DETAILED", 20)
    found = run(",".join(f"c{i}" for i in range(99)) + "\n" + ",".join(["é" * 300] * 99) + "\n")
    assert (found["column_count"], found["columns_left_out"], len(found["columns"])) == (99, 79, 20)
    top = found["columns"][0]["top"][0]["value"]
    assert len(top) <= 100
    assert "300 characters" in top


def test_fields_and_lines_without_end_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "FIELD_MAX_CHARS", 100)
    with pytest.raises(PermanentError, match="starts at line 2") as raised:
        run('a,b\n1,"x\n' + "2,y\n" * 99)
    assert raised.value.type == "UnclosedQuote"
    monkeypatch.setattr(text, "LINE_MAX_CHARS", 100)
    with pytest.raises(PermanentError, match="longer than 100"):
        run("x" * 300)


def test_progress_is_told_and_a_stop_is_obeyed() -> None:
    seen: list[float] = []
    given = {"key": "f", "bytes": len(GOOD)}
    run_handler("csv.profile", given, files={"f": GOOD}, on_progress=seen.append)
    assert seen == [1.0]
    with pytest.raises(Cancelled):
        run_handler("csv.profile", given, files={"f": GOOD}, cancelled=True)


@pytest.mark.parametrize("seed", range(150))
def test_any_bytes_give_a_profile_or_a_cause(seed: int) -> None:
    draw = random.Random(seed)
    content = bytes(draw.choices(b",;\"'\n\ra1.\xe9\xc3 \x00", k=draw.randrange(1, 60)))
    with contextlib.suppress(PermanentError):
        assert run(content)["columns"]


def test_the_dialect_of_nothing_is_a_plain_one() -> None:
    found = dialect.detect_dialect("", whole=True)
    assert (found.delimiter, found.names) == (",", ())


def test_the_worker_need_not_import_polars_to_know_the_handler() -> None:
    script = (
        "import sys, worker.handlers.csv_profile, worker.handlers.sleep, worker.handlers.echo;"
        "sys.exit(bool({'polars', 'pydantic', 'boto3'} & set(sys.modules)))"
    )
    import subprocess
    import sys

    path = os.pathsep.join(each for each in sys.path if each)
    subprocess.run([sys.executable, "-c", script], check=True, env={"PYTHONPATH": path})
