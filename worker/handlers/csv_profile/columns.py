"""The statistics of each column, from a finished tally, as JSON."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable
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
    complete = [kind for kind in known if known[kind] == present and _sure(kind, moments[kind])]
    return complete[0] if len(complete) == 1 else "text"


def _sure(kind: str, row: dict[str, Any]) -> bool:
    """One letter over and over may mean anything: only T with F, or Y with N, are booleans."""
    return kind not in kinds.LETTERS or row["min"] != row["max"]


class _Tables:
    """Distinct counts, quantiles and frequent values of all columns, each found in one query."""

    def __init__(self, tally: Tally, types: dict[int, str]) -> None:
        chosen = pl.DataFrame(
            [(part, col, kind) for col, kind in types.items() for part in _parts(kind)],
            schema={"kind": pl.String, "col": pl.UInt32, "type": pl.String},
            orient="row",
        )
        ranks = tally.ranks.join(chosen, on=["kind", "col"]).group_by("col", "x").agg(_n.sum())
        self.quantiles = {row["col"]: row for row in _quantiles(ranks).to_dicts()}
        typed, texts = ranks, _texts(tally, types)
        if tally.spilled:
            again = kinds.recognised(tally.values, decimal_comma=tally.decimal_comma)
            again = again.filter(_x.is_not_null())
            typed = again.join(chosen, on=["kind", "col"]).group_by("col", "x").agg(_n.sum())
        self.top = _most(typed, "x") | _most(texts, "value")
        self.distinct = {
            col: size for table in (typed, texts) for col, size in table.group_by("col").len().rows()
        }
        self.exact = set(types) - tally.pruned
        self.distinct |= {col: _estimate(tally, col) for col in tally.pruned}


def _parts(kind: str) -> tuple[str, ...]:
    return (kinds.INTEGER, kinds.DECIMAL) if kind == kinds.DECIMAL else (kind,)


def _texts(tally: Tally, types: dict[int, str]) -> pl.DataFrame:
    texts = [col for col, kind in types.items() if kind == "text"]
    return tally.values.filter(pl.col("col").is_in(texts) & ~kinds.nulls())


def _quantiles(ranks: pl.DataFrame) -> pl.DataFrame:
    """Interpolate between the two nearest values, as R (type 7) and NumPy do by default."""
    last = (_n.sum() - 1).cast(pl.Float64)
    until = pl.col("until")

    def at(q: float) -> pl.Expr:
        below, share = (last * q).floor(), (last * q) % 1
        low, high = (_x.filter(until > place).first() for place in (below, below + 1))
        return (low * (1 - share) + high.fill_null(low) * share).alias(str(q))

    ordered = ranks.sort("col", "x").with_columns(_n.cum_sum().over("col").alias("until"))
    return ordered.group_by("col").agg(at(q) for q in QUANTILES)


def _most(table: pl.DataFrame, field: str) -> dict[int, list[tuple[Any, int]]]:
    ordered = table.sort("col", "n", field, descending=[False, True, False])
    found: dict[int, list[tuple[Any, int]]] = defaultdict(list)
    for col, value, n in ordered.group_by("col").head(TOP).select("col", field, "n").rows():
        found[col].append((value, n))
    return {
        col: sorted(pairs, key=lambda pair: (-pair[1], pair[0])) for col, pairs in found.items()
    }


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
        "type": kind.split()[0],
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
    kind: str, totals: dict[str, Any], rows: list[dict[str, Any]], quantiles: dict[str, float]
) -> dict[str, Json]:
    rows = [row for row in rows if row["n"]] or rows
    infinite = sum(row["infinite"] for row in rows)
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
            str(q): show(kinds.DECIMAL if kind == kinds.INTEGER else kind, quantiles[str(q)])
            for q in QUANTILES
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
