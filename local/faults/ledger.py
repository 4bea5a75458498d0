"""What was really injected: a file of JSON lines for each process, in one folder of the run."""

from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path

ARMED = "armed"
"""Faults happen while a file of this name is in the folder."""


class Ledger:
    """This process's own file. `name` is like `work_api-0003`: the third process of its role."""

    def __init__(self, folder: Path, role: str) -> None:
        self._folder = folder
        self._armed = str(folder / ARMED)
        self.name, self._file = _create(folder, role)

    @property
    def armed(self) -> bool:
        """Whether faults are to happen now."""
        return os.path.exists(self._armed)

    def note(self, kind: str, on: str) -> None:
        """Write down one fault, at once: the process may be about to die of it."""
        os.write(self._file, json.dumps({"fault": kind, "on": on}).encode() + b"\n")


def _create(folder: Path, role: str) -> tuple[str, int]:
    number = sum(1 for _ in folder.glob(f"{role}-*.jsonl"))
    while True:
        number += 1
        name = f"{role}-{number:04d}"
        try:
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND
            return name, os.open(folder / f"{name}.jsonl", flags, 0o600)
        except FileExistsError:
            continue


def arm(folder: Path) -> None:
    """Let faults happen from now on."""
    (folder / ARMED).touch()


def disarm(folder: Path) -> None:
    """Let no more faults happen; a frozen worker still wakes up."""
    (folder / ARMED).unlink(missing_ok=True)


def read(folder: Path) -> Counter[tuple[str, str]]:
    """Return how many faults were injected so far, by kind and by what they hit."""
    found: Counter[tuple[str, str]] = Counter()
    for file in folder.glob("*.jsonl"):
        for line in file.read_text().splitlines():
            entry = json.loads(line)
            found[entry["fault"], entry["on"]] += 1
    return found


def by_kind(folder: Path) -> Counter[str]:
    """Return how many faults were injected so far, by kind; none where a stack has no faults."""
    found: Counter[str] = Counter()
    for (kind, _), number in read(folder).items():
        found[kind] += number
    return found
