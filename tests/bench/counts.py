"""Read what the hook counted."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Requests:
    """Requests by (service, operation), and the capacity units of DynamoDB's by operation.

    `peaks`: the highest memory of any process of a function so far, in KB, by its name.
    """

    calls: Counter[tuple[str, str]]
    units: Counter[str]
    peaks: Counter[str]

    def by_service(self) -> Counter[str]:
        """Return requests by service."""
        services: Counter[str] = Counter()
        for (service, _), number in self.calls.items():
            services[service] += number
        return services

    @property
    def write_units(self) -> float:
        """Return the write units, those of indexes included where DynamoDB says so."""
        return sum(number for operation, number in self.units.items() if operation in WRITES)


WRITES = frozenset(
    {"PutItem", "UpdateItem", "DeleteItem", "BatchWriteItem", "BatchExecuteStatement"}
)

_PEAK = "peak"


def read(folder: Path) -> Requests:
    """Return the sum over all processes so far."""
    calls: Counter[tuple[str, str]] = Counter()
    units: Counter[str] = Counter()
    peaks: Counter[str] = Counter()
    for file in folder.iterdir():
        for line in file.read_text().splitlines():
            service, operation, used = line.split()
            if service == _PEAK:
                peaks[operation] = max(peaks[operation], int(used))
                continue
            calls[service, operation] += 1
            units[operation] += float(used)  # type: ignore[assignment]
    return Requests(calls, units, peaks)


def since(after: Requests, before: Requests) -> Requests:
    """Return what came between two readings."""
    return Requests(after.calls - before.calls, after.units - before.units, after.peaks)
