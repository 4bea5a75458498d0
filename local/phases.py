"""Tell a person which step ends, how long it took, and keep the times for the summary."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager


class Phases:
    """Steps with their seconds, in the order in which they ended; some run beside each other."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._began = time.monotonic()
        self.seconds: dict[str, float] = {}

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Time one step; a line says when it has ended well."""
        began = time.monotonic()
        yield
        self.add(name, time.monotonic() - began)

    def add(self, name: str, seconds: float) -> None:
        """Keep and print the time of a step."""
        with self._lock:
            self.seconds[name] = seconds
            print(f"  {name:<34}{seconds:6.1f} s", flush=True)

    @property
    def total(self) -> float:
        """Seconds since the beginning."""
        return time.monotonic() - self._began
