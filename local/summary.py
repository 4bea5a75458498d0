"""What a profiling job found, from the lines of its results file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

_MOST_MISSING = 10
_EXAMPLES = 3


@dataclass(slots=True)
class Cause:
    """Tasks that failed in the same way."""

    text: str
    count: int = 0
    examples: list[str] = field(default_factory=list)

    def add(self, name: str) -> None:
        """Count one more file; the first few are named."""
        self.count += 1
        if len(self.examples) < _EXAMPLES:
            self.examples.append(name)


@dataclass(slots=True)
class Summary:
    """Totals over all files."""

    files: int = 0
    succeeded: int = 0
    rows: int = 0
    columns: int = 0
    bytes: int = 0
    missing: list[tuple[int, int, str, str]] = field(default_factory=list)
    causes: dict[str, Cause] = field(default_factory=dict)

    def add(self, line: Mapping[str, Any], name: str) -> None:
        """Add one line of the results; `name` is the file's."""
        self.files += 1
        if line["state"] == "SUCCEEDED":
            self._add_profile(line.get("result") or {}, name)
            return
        error = line.get("error") or {"type": line["state"].lower(), "message": "did not run"}
        text = f"{error.get('type')}: {error.get('message')}".replace(name, "<file>")
        self.causes.setdefault(text, Cause(text)).add(name)

    def _add_profile(self, profile: Mapping[str, Any], name: str) -> None:
        columns: Sequence[Mapping[str, Any]] = profile.get("columns", ())
        rows = int(profile.get("rows", 0))
        self.succeeded += 1
        self.rows += rows
        self.columns += len(columns)
        self.bytes += int(profile.get("bytes", 0))
        found = ((int(column.get("nulls", 0)), rows, name, column["name"]) for column in columns)
        self.missing = sorted([*self.missing, *(one for one in found if one[0])], reverse=True)
        del self.missing[_MOST_MISSING:]


def of_lines(lines: Iterable[Mapping[str, Any]], names: Sequence[str]) -> Summary:
    """Return the summary of all lines; the task of index i profiled `names[i]`."""
    summary = Summary()
    for line in lines:
        summary.add(line, names[line["index"]])
    return summary


def _size(count: int) -> str:
    """Return a number of bytes for a person."""
    size = float(count)
    for unit in ("B", "kB", "MB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"


def _missing_lines(summary: Summary) -> list[str]:
    if not summary.missing:
        return []
    lines = ["", f"Columns with most missing values (of {summary.columns:,}):"]
    for nulls, rows, name, column in summary.missing:
        lines.append(f"  {nulls:>9,} of {rows:>9,}  ({nulls / rows:6.1%})  {name}: {column}")
    return lines


def _cause_lines(summary: Summary) -> list[str]:
    if not summary.causes:
        return []
    lines = ["", f"Failed files ({summary.files - summary.succeeded:,}), by cause:"]
    for cause in sorted(summary.causes.values(), key=lambda cause: -cause.count):
        more = cause.count - len(cause.examples)
        names = ", ".join(cause.examples) + (f" and {more:,} more" if more else "")
        lines += [f"  {cause.count:>5,}  {cause.text}", f"         {names}"]
    return lines


def render(summary: Summary) -> str:
    """Return the summary as text."""
    lines = [
        f"Files    {summary.files:,} ({summary.succeeded:,} profiled)",
        f"Rows     {summary.rows:,}",
        f"Columns  {summary.columns:,}",
        f"Bytes    {summary.bytes:,} ({_size(summary.bytes)})",
        *_missing_lines(summary),
        *_cause_lines(summary),
    ]
    return "\n".join(lines)
