"""What the values of a column may be: spellings of nulls, numbers, booleans, dates, timestamps.

A kind turns the values that it knows into numbers (a date into days), so that one set of statistics
serves all; a column is of a kind if all its values are. A table has the fields `col` (which column),
`value` (text) and `n` (how often); kinds add `kind` and `x`.
"""

from __future__ import annotations

from collections.abc import Callable

import polars as pl

NULLS = ("", "na", "n/a", "#n/a", "<na>", "nan", "-nan", "null", "\\n")
"""Spellings of a missing value, in lower case."""
NOT_FINITE = ("nan", "-nan", "inf", "+inf", "-inf", "infinity", "+infinity", "-infinity")

INTEGER, DECIMAL = "integer", "number"
BOOLEANS = {
    "boolean": ("false", "true"),
    "boolean yes": ("no", "yes"),
    "boolean t": ("f", "t"),
    "boolean y": ("n", "y"),
}
LETTERS = {"boolean t", "boolean y"}
DATES = {
    "date": "%Y-%m-%d",
    "date /": "%Y/%m/%d",
    "date d.m": "%d.%m.%Y",
    "date m/d": "%m/%d/%Y",
    "date d/m": "%d/%m/%Y",
}
TIMESTAMP = "timestamp"
KIND = pl.Enum([INTEGER, DECIMAL, *BOOLEANS, *DATES, TIMESTAMP])

_WHOLE = r"(?:0|[1-9]\d*)"
_SHAPES = {
    "whole": r"^[+-]?(?:0|[1-9]\d{0,14})$",
    "point": rf"^[+-]?(?:{_WHOLE}\.\d*|\.\d+|{_WHOLE}(?:\.\d*)?[eE][+-]?\d+)$",
    "comma": rf"^[+-]?{_WHOLE},\d+$",
    "day": r"^\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}$",
    "time": (
        r"^\d{4}-\d{2}-\d{2}[ T]\d{2}:\d{2}(?::\d{2}(?:[.,]\d{1,9})?)?(?:Z|[+-]\d{2}:?\d{2})?$"
    ),
}
"""Whole numbers of up to 15 digits, which a double holds exactly. Longer ones, and those with a
leading zero, are codes rather than numbers."""

type Table = pl.LazyFrame
_value = pl.col("value")


def nulls() -> pl.Expr:
    """Return which values are missing."""
    return _value.str.to_lowercase().is_in(NULLS)


def not_finite() -> pl.Expr:
    """Return which values are a NaN or an infinity, by name."""
    return _value.str.to_lowercase().is_in(NOT_FINITE)


def recognised(table: pl.DataFrame, *, decimal_comma: bool = False) -> pl.DataFrame:
    """Return (kind, col, x, n) of every value in every kind that knows it; infinities have null x."""
    word = _value.str.to_lowercase()
    shaped = table.with_columns(
        *(_value.str.contains(shape).alias(name) for name, shape in _SHAPES.items()),
        word.is_in(NOT_FINITE).alias("infinite"),
        word.is_in(list(_KIND_OF_WORD)).alias("word"),
    )
    found = [table.clear().lazy().with_columns(_kind(INTEGER), _x(pl.lit(None)))]
    for shape, read in _READERS.items():
        if shaped[shape].any() and (shape != "comma" or decimal_comma):
            found += read(shaped.lazy().filter(pl.col(shape)))
    return pl.concat([part.select("kind", "col", "x", "n") for part in found]).collect()


def _kind(name: str) -> pl.Expr:
    return pl.lit(name, dtype=KIND).alias("kind")


def _x(number: pl.Expr) -> pl.Expr:
    return number.cast(pl.Float64).alias("x")


def _integers(table: Table) -> list[Table]:
    number = _value.str.strip_prefix("+").cast(pl.Int64)
    return [table.with_columns(_kind(INTEGER), _x(number))]


def _decimals(table: Table) -> list[Table]:
    plain = _value.str.strip_prefix("+").str.replace(",", ".", literal=True)
    number = plain.cast(pl.Float64, strict=False)
    finite = pl.when(number.is_finite()).then(number)
    return [table.with_columns(_kind(DECIMAL), _x(finite))]


def _booleans(table: Table) -> list[Table]:
    word = _value.str.to_lowercase()
    kind = word.replace_strict(_KIND_OF_WORD, return_dtype=KIND).alias("kind")
    truth = word.is_in([true for _, true in BOOLEANS.values()])
    return [table.with_columns(kind, _x(truth))]


def _dates(table: Table) -> list[Table]:
    return [
        table.with_columns(
            _kind(kind), _x(_value.str.to_date(form, strict=False).cast(pl.Int32))
        ).drop_nulls("x")
        for kind, form in DATES.items()
    ]


def _times(table: Table) -> list[Table]:
    """Timestamps with an offset are told in UTC, those without as they stand."""
    parts = _value.str.extract_groups(
        r"^(?<day>\S{10}).(?<minute>.{5})(?<second>:\d{2})?(?<rest>[.,]\d+)?(?<zone>Z|[+-].*)?$"
    ).struct
    zone = parts["zone"].fill_null("Z").replace("Z", "+00:00")
    rest = parts["rest"].fill_null("").str.replace(",", ".", literal=True)
    second = parts["second"].fill_null(":00")
    plain = pl.concat_str(parts["day"], pl.lit("T"), parts["minute"], second, rest, zone)
    instant = plain.str.to_datetime("%Y-%m-%dT%H:%M:%S%.f%#z", time_unit="us", strict=False)
    seen = table.with_columns(_kind(TIMESTAMP), _x(instant.dt.timestamp("us")))
    return [seen.drop_nulls("x")]


_KIND_OF_WORD = {word: kind for kind, pair in BOOLEANS.items() for word in pair}
_READERS: dict[str, Callable[[Table], list[Table]]] = {
    "whole": _integers,
    "point": _decimals,
    "comma": _decimals,
    "infinite": _decimals,
    "word": _booleans,
    "day": _dates,
    "time": _times,
}
