"""csv.profile's statistics are those of Python's own csv and statistics modules."""

from __future__ import annotations

import csv
import gzip
import json
import math
import random
import statistics
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from worker.handlers.csv_profile.columns import describe
from worker.handlers.csv_profile.tally import Tally
from worker.testing import run_handler

DATA = Path(__file__).parent / "data"
NULLS = {"", "na", "n/a", "#n/a", "<na>", "nan", "-nan", "null", "\\n"}
FILES = [
    ("weather.csv", "utf-8", ",", True),
    ("preise-latin-1.csv", "latin-1", ";", True),
    ("prices-cp1252.tsv", "cp1252", "\t", True),
    ("utf-16.csv", "utf-16", "|", True),
    ("bom.csv", "utf-8-sig", ",", True),
    ("quakes.csv.gz", "utf-8", ",", True),
    ("no-header.csv", "utf-8", ",", False),
]


def profile(content: bytes | str | Path, **parameters: Any) -> dict[str, Any]:
    result: dict[str, Any] = run_handler(
        "csv.profile", {"key": "in/file.csv"}, parameters, files={"in/file.csv": content}
    )
    return result


def column(content: str, name: str = "x") -> dict[str, Any]:
    return next(each for each in profile(content)["columns"] if each["name"] == name)


@pytest.mark.parametrize(("name", "encoding", "delimiter", "header"), FILES)
def test_shape_nulls_and_frequent_values_are_those_of_the_csv_module(
    name: str, encoding: str, delimiter: str, header: bool
) -> None:
    found = profile(DATA / name)
    stored = (DATA / name).read_bytes()
    text = (gzip.decompress(stored) if name.endswith(".gz") else stored).decode(encoding)
    rows = list(csv.reader(text.splitlines(keepends=True), delimiter=delimiter))[header:]

    assert found["bytes"] == len(stored)
    assert found["encoding"] == encoding
    assert found["dialect"] == {"delimiter": delimiter, "quote": '"', "header": header}
    assert (found["rows"], found["column_count"]) == (len(rows), len(rows[0]))
    for described, values in zip(found["columns"], zip(*rows, strict=True), strict=True):
        present = [value for value in values if value.lower() not in NULLS]
        infinite = described.get("not_finite", 0)
        assert described["nulls"] == len(values) - len(present) + described["type"].count(
            "number"
        ) * (infinite - sum(value.lower() == "nan" for value in values))
        if described["type"] == "text":
            expected = sorted(Counter(present).items(), key=lambda pair: (-pair[1], pair[0]))[:5]
            assert [(top["value"], top["count"]) for top in described["top"]] == expected
            assert described["distinct"] == len(set(present))


def test_each_column_has_the_type_that_all_its_values_have() -> None:
    types = {each["name"]: each["type"] for each in profile(DATA / "weather.csv")["columns"]}
    assert types == {
        "station": "text",
        "day": "date",
        "at": "timestamp",
        "celsius": "number",
        "rain": "boolean",
        "code": "text",
        "note": "text",
    }


@pytest.mark.parametrize(
    ("values", "type_"),
    [
        (["1", "-2", "+3"], "integer"),
        (["1", "2.5", "1e3"], "number"),
        (["007", "010"], "text"),
        (["123456789012345"], "integer"),
        (["1234567890123456"], "text"),
        (["TRUE", "false"], "boolean"),
        (["Yes", "no"], "boolean"),
        (["T", "F"], "boolean"),
        (["T", "T"], "text"),
        (["yes", "true"], "text"),
        (["2024-02-30"], "text"),
        (["31.12.2024", "1.2.2024"], "date"),
        (["12/31/2024", "1/2/2024"], "date"),
        (["1/2/2024"], "text"),
        (["2024-01-01T10:00", "2024-01-01 10:00:00.5Z"], "timestamp"),
        (["NA", "", "NULL"], "empty"),
        (["inf"], "text"),
        (["a", "1"], "text"),
    ],
)
def test_values_have_a_type(values: list[str], type_: str) -> None:
    assert column("x,y\n" + "".join(f"{value},1\n" for value in values))["type"] == type_


def test_numbers_agree_with_the_statistics_module() -> None:
    draw = random.Random(7)
    numbers = [round(draw.gauss(10, 4), 2) for _ in range(999)] + [0.1] * 20
    found = column("x,y\n" + "".join(f"{number},a\n" for number in numbers))
    twentieths = statistics.quantiles(numbers, n=20, method="inclusive")
    assert (found["min"], found["max"]) == (min(numbers), max(numbers))
    assert math.isclose(found["mean"], statistics.fmean(numbers), rel_tol=1e-12)
    assert found["distinct"] == len(set(numbers))
    for name, position in (("0.05", 0), ("0.25", 4), ("0.5", 9), ("0.75", 14), ("0.95", 18)):
        assert math.isclose(found["quantiles"][name], twentieths[position], rel_tol=1e-12)


def test_what_is_not_finite_is_a_null_and_counted_apart() -> None:
    found = column("x,y\n1,a\nNaN,a\ninf,a\n-Infinity,a\n1e999,a\nNA,a\n3,a\n")
    assert (found["type"], found["nulls"], found["not_finite"]) == ("number", 5, 4)
    assert (found["min"], found["max"], found["mean"]) == (1, 3, 2)


def test_sums_beyond_a_double_still_give_a_mean_that_is_json() -> None:
    found = column("x,y\n1.5e308,a\n1.7e308,a\n-1e308,a\n")
    assert math.isclose(found["mean"], 0.7333333333333333e308)
    json.dumps(found, allow_nan=False)


def test_one_number_in_two_spellings_is_one_value() -> None:
    found = column("x,y\n1,a\n1.0,a\n2.50,a\n2.5,a\n2.5,a\n")
    assert found["distinct"] == 2
    assert found["top"] == [{"value": 2.5, "count": 3}, {"value": 1.0, "count": 2}]


def test_timestamps_with_an_offset_are_told_in_utc() -> None:
    found = column("x,y\n2024-02-28T06:30:00+02:00,a\n2024-02-28 06:00:00.25Z,a\n")
    assert (found["min"], found["max"]) == ("2024-02-28T04:30:00", "2024-02-28T06:00:00.250000")


def test_comma_is_the_decimal_point_of_semicolon_files() -> None:
    assert column("x;y\n1,5;a\n2;b\n3,25;c\n")["quantiles"]["0.5"] == 2.0
    assert column('x,y\n"1,500",a\n"2,250",b\n')["type"] == "text"


def test_batches_add_up_to_the_whole() -> None:
    rows = [[str(i % 7), f"n{i % 5}", str(i / 8)] for i in range(600)]
    whole, parts = Tally(3), Tally(3)
    whole.add(rows)
    for start in range(0, 600, 50):
        parts.add(rows[start : start + 50])
    for tally in (whole, parts):
        tally.finish()
    assert describe(whole, "abc") == describe(parts, "abc")


def test_a_column_with_too_many_values_is_approximated_and_says_so() -> None:
    tally = Tally(2, limit=1_000)
    order = list(range(20_000))
    random.Random(3).shuffle(order)
    for start in range(0, 20_000, 500):
        tally.add([[str(i), "even" if i % 2 else "odd"] for i in order[start : start + 500]])
    tally.finish()
    number, text = describe(tally, ["number", "text"])
    assert isinstance(number, dict)
    assert isinstance(text, dict)
    assert not number["exact"]
    assert (number["type"], number["min"], number["max"]) == ("integer", 0, 19_999)
    assert number["mean"] == pytest.approx(9_999.5)
    assert number["distinct"] == pytest.approx(20_000, rel=0.05)
    assert number["quantiles"]["0.25"] == pytest.approx(5_000, rel=0.02)  # type: ignore[index,call-overload]
    assert text["exact"]
    assert text["distinct"] == 2
