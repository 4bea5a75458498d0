"""Read what the hook counted."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Requests:
    """Requests by (service, operation), and the capacity units of DynamoDB's by operation."""

    calls: Counter[tuple[str, str]]
    units: Counter[str]

    def by_service(self) -> Counter[str]:
        """Return requests by service."""
        services: Counter[str] = Counter()
        for (service, _), number in self.calls.items():
            services[service] += number
        return services


WRITES = frozenset(
    {"PutItem", "UpdateItem", "DeleteItem", "BatchWriteItem", "BatchExecuteStatement"}
)


def read(folder: Path) -> Requests:
    """Return the sum over all processes so far."""
    calls: Counter[tuple[str, str]] = Counter()
    units: Counter[str] = Counter()
    for file in folder.iterdir():
        for line in file.read_text().splitlines():
            service, operation, used = line.split()
            calls[service, operation] += 1
            units[operation] += float(used)  # type: ignore[assignment]
    return Requests(calls, units)


def since(after: Requests, before: Requests) -> Requests:
    """Return what came between two readings."""
    return Requests(after.calls - before.calls, after.units - before.units)
