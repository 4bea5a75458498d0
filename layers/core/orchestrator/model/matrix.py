"""A matrix of tasks: one for each combination of its axes' values, rendered by index and never listed.

Combinations are numbered in mixed radix, as nested loops would count them: the last axis varies fastest.
Excluded ones are kept as gaps: runs of numbers, so that a position is found among them by bisection.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from math import isfinite, prod

from pydantic import JsonValue

from orchestrator.errors import cut

Scalar = str | int | float | bool
Axis = Sequence[Scalar]
Axes = dict[str, Axis]

AXES_MAX = 16
AXES_MAX_BYTES = 64 * 1024
"""Of all axes as JSON: the plan holds them, and whoever sends or shows a task reads the plan."""
COMBINATION_MAX_BYTES = 1_900
"""25 combinations, the most that one message carries, so stay below its 48 KiB of inputs."""
GAPS_MAX = 5_000
"""Runs of excluded combinations: with 64 KiB of axes the plan so stays below what is cached."""
_RANGE = re.compile(r"(-?[0-9]{1,15})\.\.(-?[0-9]{1,15})")


def read_axis(value: JsonValue) -> Axis:
    """Return an axis' values: a list of different texts, numbers or booleans, or "1..1000", ends included.

    Raises ValueError, which says what is wrong.
    """
    if isinstance(value, str):
        return _read_range(value)
    if not isinstance(value, list):
        raise ValueError('must be a list of values, or a range such as "1..1000"')
    if not value:
        raise ValueError("must have at least one value")
    kinds = [kind_of(item) for item in value]
    for position, kind in enumerate(kinds):
        if kind is None:
            raise ValueError(
                f"value {position + 1} is neither a text, a number, true nor false; "
                "list such tasks as items"
            )
        if kind != kinds[0]:
            raise ValueError(
                f"value {position + 1} is a {kind} and value 1 a {kinds[0]}: "
                "the values of an axis are of one type"
            )
    return _all_different(value)


def _read_range(text: str) -> range:
    match = _RANGE.fullmatch(text)
    if match is None:
        raise ValueError('a text is a range such as "1..1000"; put single values into a list')
    first, last = int(match[1]), int(match[2])
    if first > last:
        raise ValueError(f'the range runs backwards: write "{last}..{first}"')
    return range(first, last + 1)


def _all_different(values: list[JsonValue]) -> Axis:
    places: dict[JsonValue, int] = {}
    for position, value in enumerate(values):
        earlier = places.setdefault(value, position)
        if earlier != position:
            raise ValueError(f"value {position + 1} repeats value {earlier + 1}: {cut(value)}")
    return tuple(places)  # type: ignore[arg-type]


def kind_of(value: JsonValue) -> str | None:
    """Return what a value is called in messages, None where an axis cannot have it."""
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, (int, float)) and isfinite(value):
        return "number"
    return "text" if isinstance(value, str) else None


def largest_bytes(axes: Axes) -> int:
    """Return the most bytes that one combination can have as compact JSON."""
    sizes = [
        _json_bytes(name)
        + max(map(_json_bytes, (axis[0], axis[-1]) if isinstance(axis, range) else axis))
        for name, axis in axes.items()
    ]
    return sum(sizes) + 2 * len(sizes) + 1


def _json_bytes(value: Scalar) -> int:
    return len(json.dumps(value, ensure_ascii=False).encode())


@dataclass(frozen=True, slots=True)
class Matrix:
    """The combinations of `axes` without its gaps.

    Before `gaps_at[i]` kept combinations lies gap i; `gaps_sum[i]` are missing up to its end.
    """

    axes: Axes
    gaps_at: Sequence[int] = ()
    gaps_sum: Sequence[int] = ()

    @property
    def combinations(self) -> int:
        """Return how many combinations there are, the excluded ones too."""
        return prod(len(axis) for axis in self.axes.values())

    @property
    def total(self) -> int:
        """Return how many combinations are kept."""
        return self.combinations - (self.gaps_sum[-1] if self.gaps_sum else 0)

    def render(self, position: int) -> dict[str, JsonValue]:
        """Return the combination at `position` (from 0) among the kept ones."""
        gaps = bisect_right(self.gaps_at, position)
        number = position + (self.gaps_sum[gaps - 1] if gaps else 0)
        found: list[tuple[str, JsonValue]] = []
        for name, axis in reversed(self.axes.items()):
            number, digit = divmod(number, len(axis))
            found.append((name, axis[digit]))
        return dict(reversed(found))

    def position_of(self, combination: Mapping[str, JsonValue]) -> int | None:
        """Return where a combination is among the kept ones; None where it is excluded, or is none."""
        if combination.keys() != self.axes.keys():
            return None
        number = 0
        for name, axis in self.axes.items():
            digit = digit_of(axis, combination[name])
            if digit is None:
                return None
            number = number * len(axis) + digit
        gaps = bisect_right(range(len(self.gaps_at)), number, key=self._gap_start)
        if gaps and number < self.gaps_at[gaps - 1] + self.gaps_sum[gaps - 1]:
            return None
        return number - (self.gaps_sum[gaps - 1] if gaps else 0)

    def _gap_start(self, gap: int) -> int:
        return self.gaps_at[gap] + (self.gaps_sum[gap - 1] if gap else 0)


def digit_of(axis: Axis, value: JsonValue) -> int | None:
    """Return the place of a value on an axis, None where it has no such value (1 is not true)."""
    if kind_of(value) != kind_of(axis[0]):
        return None
    if isinstance(axis, range):  # Its own index() would walk it for a float.
        return int(value) - axis.start if value == int(value) and int(value) in axis else None  # type: ignore[arg-type]
    return axis.index(value) if value in axis else None


def make_matrix(axes: Axes, exclude: Sequence[Mapping[str, JsonValue]]) -> Matrix:
    """Return the matrix without the combinations that agree with any entry of `exclude` in all it names.

    Raises ValueError where an entry fits no axis, or where too many scattered ones would have to be kept.
    """
    runs: list[tuple[int, int]] = []
    for position, entry in enumerate(exclude):
        digits = _digits(axes, entry, position)
        if len(runs) + _runs_of(axes, digits) > GAPS_MAX:
            raise ValueError(
                f"entry {position + 1} takes out too many single combinations (at most {GAPS_MAX} runs of "
                f"them): put the axes that are excluded by first, or list the tasks in a manifest"
            )
        runs += _runs(axes, digits)
    gaps_at: list[int] = []
    gaps_sum: list[int] = []
    missing = 0
    for start, stop in _merged(sorted(runs)):
        gaps_at.append(start - missing)
        missing += stop - start
        gaps_sum.append(missing)
    return Matrix(axes, gaps_at, gaps_sum)


def _digits(axes: Axes, entry: Mapping[str, JsonValue], position: int) -> list[int | None]:
    """Return an entry's digit on each axis, None on those that it does not name."""
    if not entry:
        raise ValueError(f"entry {position + 1} names no axis, so it would exclude everything")
    for name in entry:
        if name not in axes:
            raise ValueError(f"entry {position + 1} names {cut(name)!r}, which is no axis")
    digits = [digit_of(axis, entry[name]) if name in entry else None for name, axis in axes.items()]
    for name, digit in zip(axes, digits, strict=True):
        if name in entry and digit is None:
            seen = cut(entry[name])
            raise ValueError(f"entry {position + 1} excludes nothing: {name!r} has no value {seen}")
    return digits


def _after_last(digits: Sequence[int | None]) -> int:
    """Return the number of axes up to the last one that an entry names."""
    return max(place for place, digit in enumerate(digits) if digit is not None) + 1


def _runs_of(axes: Axes, digits: Sequence[int | None]) -> int:
    lengths = [len(axis) for axis in axes.values()][: _after_last(digits)]
    return prod(n for n, digit in zip(lengths, digits, strict=False) if digit is None)


def _runs(axes: Axes, digits: Sequence[int | None]) -> Iterator[tuple[int, int]]:
    """Yield the runs of combinations that agree with an entry: what follows its last axis is contiguous."""
    lengths = [len(axis) for axis in axes.values()]
    named = _after_last(digits)
    block = prod(lengths[named:])
    choices = [
        range(length) if digit is None else (digit,)
        for length, digit in zip(lengths[:named], digits[:named], strict=True)
    ]
    for chosen in product(*choices):
        number = 0
        for length, digit in zip(lengths[:named], chosen, strict=True):
            number = number * length + digit
        yield number * block, (number + 1) * block


def _merged(runs: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Join ascending runs that touch or overlap."""
    open_run: tuple[int, int] | None = None
    for start, stop in runs:
        if open_run is not None and start <= open_run[1]:
            open_run = (open_run[0], max(open_run[1], stop))
            continue
        if open_run is not None:
            yield open_run
        open_run = (start, stop)
    if open_run is not None:
        yield open_run
