"""What the worker tells a child at its start, as one command-line argument."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildSettings:
    """File descriptors, the worker's pid, where handlers and files are, and the memory limit.

    `describes`: it also tells the schemas of the handlers' inputs.
    """

    channel_fd: int
    tickets_fd: int
    parent: int
    sources: list[str]
    data_bucket: str
    results_bucket: str
    scratch: str
    memory_bytes: int
    describes: bool

    def dump(self) -> str:
        """Return the settings as text for `load`."""
        return json.dumps(asdict(self))

    @classmethod
    def load(cls, text: str) -> ChildSettings:
        """Read what `dump` wrote."""
        return cls(**json.loads(text))
