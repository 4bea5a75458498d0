"""A mutant: one safeguard taken out of the code, and the tests that must notice."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


class DoesNotApply(Exception):
    """The text to be replaced is not in the file exactly once: the list of mutants is out of date."""


@dataclass(frozen=True, slots=True)
class Mutant:
    """`old` stands once in `file` and becomes `new`; `tests` are what pytest is given to find it."""

    name: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]

    def text(self, root: Path) -> str:
        """Return the file's text with the safeguard removed. Raises DoesNotApply."""
        text = (root / self.file).read_text(encoding="utf-8")
        if text.count(self.old) != 1:
            raise DoesNotApply(
                f"{self.name}: {self.file} has its text {text.count(self.old)} times"
            )
        return text.replace(self.old, self.new)
