"""Counts of the values of all columns, batch by batch, in bounded memory.

As long as a column has few distinct values all of them are kept with their counts, and whatever is
asked follows from these exactly. When one has more, the tally turns to sketches: the heaviest
values are kept, the smallest hashes (distinct count), and neighbouring numbers are merged (quantiles).
"""

from __future__ import annotations

from itertools import chain

import polars as pl

from worker.handlers.csv_profile import kinds
from worker.handlers.csv_profile.records import Row

VALUE_CHARS = 100
"""Longer values are cut; a hash keeps them apart."""
HASHES = 4096
"""Smallest hashes kept: the error of a distinct count is about 1 / sqrt(HASHES), 1.6 percent."""
_VALUES_OF_ALL, _VALUES_MOST, _VALUES_LEAST = 1_500_000, 250_000, 2_000

_n, _x = pl.col("n"), pl.col("x")


class Tally:
    """What is known of `columns` columns. `limit` is how many distinct values of each are kept."""

    def __init__(
        self, columns: int, *, decimal_comma: bool = False, limit: int | None = None
    ) -> None:
        share = _VALUES_OF_ALL // max(columns, 1)
        self.columns = columns
        self.limit = limit or min(max(share, _VALUES_LEAST), _VALUES_MOST)
        self.decimal_comma = decimal_comma
        self.values = pl.DataFrame(schema={"col": pl.UInt32, "value": pl.String, "n": pl.UInt64})
        self.totals = pl.DataFrame()
        self.moments = pl.DataFrame()
        self.ranks = pl.DataFrame()
        self.hashes = pl.DataFrame()
        self.pruned: set[int] = set()
        self.spilled = False

    def add(self, rows: list[Row]) -> None:
        """Count the values of some records."""
        if not rows:
            return
        table = distinct_values(rows, self.columns)
        merged = pl.concat([self.values, table])
        if self.values.height:
            merged = merged.group_by("col", "value").agg(_n.sum())
        self.values = merged
        if self.spilled:
            self._feed(table)
        crowded = self._crowded(merged)
        if crowded:
            if not self.spilled:
                self.spilled = True
                self._feed(merged)
            self.pruned |= crowded
            order = _n.rank("ordinal", descending=True).over("col")
            self.values = merged.filter(order <= self.limit // 2)

    def finish(self) -> None:
        """Complete `totals`, `moments` and `ranks`; nothing can be added afterwards."""
        if not self.spilled:
            self._feed(self.values)

    def _crowded(self, table: pl.DataFrame) -> set[int]:
        if table.height <= self.limit:
            return set()
        sizes = table.group_by("col").len()
        return set(sizes.filter(pl.col("len") > self.limit)["col"])

    def _feed(self, table: pl.DataFrame) -> None:
        """Take values into the sketches."""
        table = table.with_columns(kinds.nulls().alias("null"))
        self.totals = _joined(self.totals, _totals(table), ["col"], _TOTALS)
        present = table.filter(~pl.col("null")).select("col", "value", "n")
        ranks = kinds.recognised(present, decimal_comma=self.decimal_comma)
        self.moments = _joined(self.moments, _moments(ranks), ["kind", "col"], _MOMENTS)
        finite = ranks.filter(_x.is_not_null())
        self.ranks = self._squeezed(_joined(self.ranks, finite, ["kind", "col", "x"], [_n.sum()]))
        if self.spilled:
            self.hashes = _smallest(self.hashes, present)

    def _squeezed(self, ranks: pl.DataFrame) -> pl.DataFrame:
        """Merge neighbours of a column with too many numbers, so that all weigh about the same."""
        if ranks.height <= self.limit:
            return ranks
        parts = ranks.partition_by("kind", "col")
        return pl.concat(
            part if part.height <= self.limit else _merged_neighbours(part, self.limit // 4)
            for part in parts
        )


def _merged_neighbours(part: pl.DataFrame, size: int) -> pl.DataFrame:
    place = ((_n.cum_sum() - _n / 2) * (size / part["n"].sum())).floor().alias("place")
    merged = part.sort("x").group_by(place, maintain_order=True)
    first = pl.col("kind", "col").first()
    return merged.agg(first, weighted_mean(_x), _n.sum()).select(part.columns)


def distinct_values(rows: list[Row], columns: int) -> pl.DataFrame:
    """Return (col, value, n) of the first `columns` fields; spaces around a value are no part of it."""
    fields = [column for column, _ in zip(zip(*rows, strict=True), range(columns), strict=False)]
    values = pl.Series("value", list(chain.from_iterable(fields)), dtype=pl.String)
    col = (pl.int_range(pl.len(), dtype=pl.UInt32) // len(rows)).alias("col")
    counted = (
        values.to_frame()
        .lazy()
        .select(col, pl.col("value").str.strip_chars())
        .group_by("col", "value")
        .agg(pl.len().cast(pl.UInt64).alias("n"))
    )
    return _shortened(counted.collect())


def weighted_mean(x: pl.Expr) -> pl.Expr:
    """Return the mean of `x` weighted by n; the second form is for sums beyond a double."""
    total = (x * _n).sum() / _n.filter(x.is_not_null()).sum()
    safe = (x * (_n / _n.filter(x.is_not_null()).sum())).sum()
    return pl.when(total.is_finite()).then(total).otherwise(safe).alias(x.meta.output_name())


def _shortened(table: pl.DataFrame) -> pl.DataFrame:
    value, size = pl.col("value"), pl.col("value").str.len_chars()
    if not (table["value"].str.len_bytes() > VALUE_CHARS).any():
        return table
    tail = pl.format("… ({} characters, {})", size, value.hash())
    cut = pl.concat_str(value.str.head(VALUE_CHARS - 40), tail)
    return table.with_columns(pl.when(size > VALUE_CHARS).then(cut).otherwise(value))


_TOTALS = [
    pl.col("nulls", "nan", "present").sum(),
    pl.col("min").min(),
    pl.col("max").max(),
]
_MOMENTS = [
    pl.col("min").min(),
    pl.col("max").max(),
    weighted_mean(pl.col("mean")),
    pl.col("infinite", "n").sum(),
]


def _totals(table: pl.DataFrame) -> pl.DataFrame:
    null, value = pl.col("null"), pl.col("value")
    return table.group_by("col").agg(
        _n.filter(null).sum().alias("nulls"),
        _n.filter(null & kinds.not_finite()).sum().alias("nan"),
        _n.filter(~null).sum().alias("present"),
        value.filter(~null).min().alias("min"),
        value.filter(~null).max().alias("max"),
    )


def _moments(ranks: pl.DataFrame) -> pl.DataFrame:
    return ranks.group_by("kind", "col").agg(
        _x.min().alias("min"),
        _x.max().alias("max"),
        weighted_mean(_x).alias("mean"),
        _n.filter(_x.is_null()).sum().alias("infinite"),
        _n.filter(_x.is_not_null()).sum().alias("n"),
    )


def _joined(
    old: pl.DataFrame, new: pl.DataFrame, keys: list[str], merge: list[pl.Expr]
) -> pl.DataFrame:
    if not old.width:
        return new
    return pl.concat([old, new]).group_by(keys).agg(merge)


def _smallest(old: pl.DataFrame, table: pl.DataFrame) -> pl.DataFrame:
    new = table.select("col", pl.col("value").hash().alias("hash"))
    both = pl.concat([old, new]).unique() if old.width else new
    return both.filter(pl.col("hash").rank("ordinal").over("col") <= HASHES)
