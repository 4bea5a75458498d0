"""What a job asks of AWS, and at what price: from `prices.json`, the one place for both."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestrator.model.ids import nodes_of

_FILE = Path(__file__).parent.parent / "prices.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Prices:
    """List prices in dollars a million, and how much of each thing is used; names are those of the file."""

    region: str
    as_of: str
    per_million: Mapping[str, float]
    per_task: Mapping[str, float]
    per_message: Mapping[str, float]
    per_job: Mapping[str, float]
    per_node: Mapping[str, float]
    per_report_call: Mapping[str, float]
    per_task_in_machine: Mapping[str, float]
    tasks_per_second: float

    def used(self, total: int, tasks_per_message: int | None) -> dict[str, float]:
        """Return what a job of `total` short tasks uses, each tried once.

        Messages count where the submission says how many tasks one has; else the measured mix does.
        """
        nodes = len(nodes_of(total))
        used = {name: total * count for name, count in self.per_task.items()}
        if tasks_per_message is not None:
            for name, count in self.per_message.items():
                used[name] = max(used.get(name, 0.0), count * total / tasks_per_message)
        for name, count in self.per_job.items():
            used[name] = used.get(name, 0.0) + count + nodes * self.per_node.get(name, 0.0)
        return used

    def dollars(self, used: Mapping[str, float]) -> dict[str, float]:
        """Return the price of each thing used, in dollars."""
        return {name: count * self.per_million[name] / 1e6 for name, count in used.items()}


@functools.cache
def load_prices() -> Prices:
    """Read the file."""
    found: dict[str, Any] = json.loads(_FILE.read_text(encoding="utf-8"))

    def counts(group: str) -> dict[str, float]:
        return {name: entry["count"] for name, entry in found[group].items()}

    prices = found["price_per_million"]
    return Prices(
        region=found["region"],
        as_of=found["as_of"],
        per_million={name: entry["price"] for name, entry in prices.items()},
        per_task=counts("used_per_task"),
        per_message=counts("used_per_message"),
        per_job=counts("used_per_job"),
        per_node=counts("used_per_node"),
        per_report_call=counts("used_per_report_call"),
        per_task_in_machine=counts("used_per_task_in_machine"),
        tasks_per_second=found["tasks_per_second"]["count"],
    )
