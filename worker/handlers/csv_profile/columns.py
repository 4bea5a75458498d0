"""The statistics of each column, from a finished tally, as JSON."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl

from worker.api import Json
from worker.handlers.csv_profile import kinds
from worker.handlers.csv_profile.tally import HASHES, Tally

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
TOP = 5
_n, _x = pl.col("n"), pl.col("x")

_NOTHING: dict[str, Any] = {"nulls": 0, "nan": 0, "present": 0, "min": None, "max": None}

type Moments = dict[str, dict[str, Any]]


def describe(tally: Tally, names: Iterable[str]) -> list[Json]:
    """Return a JSON object for each column of the tally."""
    totals = {col: _NOTHING | {"col": col} for col in range(tally.columns)}
    totals |= {row["col"]: row for row in tally.totals.to_dicts()}
    moments: dict[int, Moments] = defaultdict(dict)
    for row in tally.moments.to_dicts():
        moments[row["col"]][row["kind"]] = row
    types = {col: column_type(totals[col]["present"], moments[col]) for col in totals}
    tables = _Tables(tally, types)
    return [
        _column(name, types[col], totals[col], moments[col], tables)
        for col, name in zip(sorted(totals), names, strict=False)
    ]


def column_type(present: int, moments: Moments) -> str:
    """Return the kind that knows all values: empty, text, or one of `kinds`."""
    if not present:
        return "empty"
    known = {kind: row["n"] + row["infinite"] for kind, row in moments.items()}
    whole = known.get(kinds.INTEGER, 0)
    if whole == present:
        return kinds.INTEGER
    numbers = [moments[kind]["n"] for kind in (kinds.INTEGER, kinds.DECIMAL) if kind in moments]
    if whole + known.get(kinds.DECIMAL, 0) == present and sum(numbers):
        return kinds.DECIMAL
    complete = [kind for kind, row in moments.items() if row["n"] == present and _sure(kind, row)]
    return complete[0] if len(complete) == 1 else "text"


def _sure(kind: str, row: dict[str, Any]) -> bool:
    """One letter over and over may mean anything: only T with F, or Y with N, are booleans."""
    return kind not in kinds.LETTERS or row["min"] != row["max"]


class _Tables:
    """Distinct counts, quantiles and frequent values of all columns, each found in one query."""

    def __init__(self, tally: Tally, types: dict[int, str]) -> None:
        ranks = typed = _of_types(tally.ranks, types)
        if tally.spilled:
            kept = kinds.recognised(tally.values, decimal_comma=tally.decimal_comma)
            typed = _of_types(kept.filter(_x.is_not_null()), types)
        texts = [col for col, kind in types.items() if kind == "text"]
        values = tally.values.filter(pl.col("col").is_in(texts) & ~kinds.nulls())
        self.quantiles = _quantiles(ranks)
        self.top: dict[int, list[tuple[Any, int]]] = {}
        self.distinct: dict[int, int] = {}
        for table, field in ((typed, "x"), (values, "value")):
            ordered = table.sort("col", "n", field, descending=[False, True, False])
            for col, part in _by_column(ordered):
                self.top[col] = [(value, n) for _, value, n in part.head(TOP).rows()]
                self.distinct[col] = part.height
        self.exact = set(types) - tally.pruned
        present = dict(tally.totals.select("col", "present").rows()) if tally.pruned else {}
        self.distinct |= {col: min(_estimate(tally, col), present[col]) for col in tally.pruned}


def _of_types(ranks: pl.DataFrame, types: dict[int, str]) -> pl.DataFrame:
    """Return (col, x, n) of the kinds that make up the type of each column, ordered."""
    known = set(kinds.KIND.categories)
    chosen = pl.LazyFrame(
        [(part, col) for col, kind in types.items() for part in _parts(kind) if part in known],
        schema={"kind": kinds.KIND, "col": pl.UInt32},
        orient="row",
    )
    joined = ranks.lazy().join(chosen, on=["kind", "col"])
    return joined.group_by("col", "x").agg(_n.sum()).sort("col", "x").collect()


def _parts(kind: str) -> tuple[str, ...]:
    return (kinds.INTEGER, kinds.DECIMAL) if kind == kinds.DECIMAL else (kind,)


def _by_column(ordered: pl.DataFrame) -> Iterator[tuple[int, pl.DataFrame]]:
    """Yield the slice of each column of a table ordered by column."""
    start = 0
    for col, size in ordered.group_by("col").len().sort("col").rows():
        yield col, ordered.slice(start, size)
        start += size


def _quantiles(ranks: pl.DataFrame) -> dict[int, list[float]]:
    """Interpolate between the two nearest values, as R (type 7) and NumPy do by default.

    A value stands for the n places up to its running total, counted through all columns.
    """
    places: list[int] = []
    sizes = ranks.group_by("col").agg(_n.sum()).sort("col").rows()
    start = 0
    for _, size in sizes:
        below = [math.floor((size - 1) * q) for q in QUANTILES]
        places += [start + min(place, size - 1) for low in below for place in (low, low + 1)]
        start += size
    at = ranks["n"].cum_sum().search_sorted(pl.Series(places, dtype=pl.UInt64), "right")
    x = iter(ranks["x"].gather(at).to_list())
    return {
        col: [_between(a, b, share) for share, a, b in zip(_shares(size), x, x, strict=False)]
        for col, size in sizes
    }


def _between(low: float, high: float, share: float) -> float:
    between = low + (high - low) * share
    return between if math.isfinite(between) else low * (1 - share) + high * share


def _shares(size: int) -> list[float]:
    return [(size - 1) * q % 1 for q in QUANTILES]


def _estimate(tally: Tally, col: int) -> int:
    """Return (k - 1) / (the k-th smallest hash, as a fraction of all): Bar-Yossef et al. 2002."""
    hashes = tally.hashes.filter(pl.col("col") == col)["hash"]
    if len(hashes) < HASHES:
        return len(hashes)
    return round((HASHES - 1) / (int(hashes.max()) / 2**64))  # type: ignore[arg-type]


def _column(
    name: str, kind: str, totals: dict[str, Any], moments: Moments, tables: _Tables
) -> dict[str, Json]:
    col = totals["col"]
    shown: dict[str, Json] = {
        "name": name,
        "type": kind.partition(" ")[0],
        "nulls": totals["nulls"],
        "distinct": tables.distinct.get(col, 0),
        "exact": col in tables.exact,
        "min": totals["min"],
        "max": totals["max"],
        "mean": None,
        "quantiles": {},
        "top": [{"value": show(kind, v), "count": n} for v, n in tables.top.get(col, [])],
    }
    rows = [moments[part] for part in _parts(kind) if part in moments]
    return shown | (_numeric(kind, totals, rows, tables.quantiles[col]) if rows else {})


def _numeric(
    kind: str, totals: dict[str, Any], rows: list[dict[str, Any]], quantiles: list[float]
) -> dict[str, Json]:
    infinite = sum(row["infinite"] for row in rows)
    rows = [row for row in rows if row["n"]]
    count = sum(row["n"] for row in rows)
    found: dict[str, Json] = {
        "nulls": totals["nulls"] + infinite,
        "min": show(kind, min(row["min"] for row in rows)),
        "max": show(kind, max(row["max"] for row in rows)),
    }
    if not kind.startswith(("date", kinds.TIMESTAMP)):
        found["mean"] = _finite(sum(row["mean"] * (row["n"] / count) for row in rows))
    if not kind.startswith("boolean"):
        found["quantiles"] = {
            str(q): show(kinds.DECIMAL if kind == kinds.INTEGER else kind, x)
            for q, x in zip(QUANTILES, quantiles, strict=True)
        }
    if kind == kinds.DECIMAL:
        found["not_finite"] = totals["nan"] + infinite
    return found


def _finite(number: float) -> float | None:
    return number if math.isfinite(number) else None


def show(kind: str, value: Any) -> Json:
    """Return the JSON of a value: a number of the kind, or text as it is."""
    if isinstance(value, str):
        return value
    if kind == kinds.INTEGER:
        return int(value)
    if kind.startswith("boolean"):
        return bool(value)
    if kind.startswith("date"):
        return (date(1970, 1, 1) + timedelta(days=math.floor(value))).isoformat()
    if kind == kinds.TIMESTAMP:
        moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=round(value))
        return moment.replace(tzinfo=None).isoformat()
    return _finite(float(value))
