"""Which tasks a generation runs: all of them at first, the chosen ones after a retry.

The job's cursor counts chosen tasks in ascending order, so a position is an index in generation 1.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Protocol

from orchestrator.model.ids import node_of, nodes_of
from orchestrator.model.items import Job
from orchestrator.service.ports import Deps
from orchestrator.spec import encode_json


class Selection(Protocol):
    """The chosen tasks of a generation."""

    @property
    def count(self) -> int:
        """Return how many tasks are chosen."""
        ...

    @property
    def nodes(self) -> list[int]:
        """Return the nodes that hold chosen tasks."""
        ...

    def slice(self, start: int, stop: int) -> list[int]:
        """Return the indexes of the chosen tasks at positions [start, stop)."""
        ...


class Everything:
    """All tasks of a job."""

    def __init__(self, total: int) -> None:
        self._total = total

    @property
    def count(self) -> int:
        """Return the total."""
        return self._total

    @property
    def nodes(self) -> list[int]:
        """Return all nodes."""
        return list(nodes_of(self._total))

    def slice(self, start: int, stop: int) -> list[int]:
        """Return the positions: they are the indexes."""
        return list(range(start, min(stop, self._total)))


class Chosen:
    """The tasks that a retry chose: one S3 object a node, and one with the size of each."""

    def __init__(self, deps: Deps, reopen_ref: str) -> None:
        self._deps, self._ref = deps, reopen_ref
        sizes: dict[str, int] = json.loads(_read(deps, f"{reopen_ref}/nodes.json"))
        self._sizes = {int(node): size for node, size in sizes.items()}

    @property
    def count(self) -> int:
        """Return how many tasks are chosen."""
        return sum(self._sizes.values())

    @property
    def nodes(self) -> list[int]:
        """Return the nodes that hold chosen tasks."""
        return sorted(self._sizes)

    def of_node(self, node: int) -> list[int]:
        """Return the chosen indexes of a node, ascending."""
        indexes: list[int] = json.loads(_read(self._deps, f"{self._ref}/{node:02d}.json"))
        return indexes

    def slice(self, start: int, stop: int) -> list[int]:
        """Return the indexes of the chosen tasks at positions [start, stop)."""
        found: list[int] = []
        first = 0
        for node in self.nodes:
            last = first + self._sizes[node]
            if first < stop and last > start:
                found += self.of_node(node)[max(start - first, 0) : stop - first]
            first = last
        return found


def _read(deps: Deps, key: str) -> bytes:
    body = deps.data.get(key)
    if body is None:
        raise FileNotFoundError(f"{key} is gone from the data bucket")
    return body


def put_selection(deps: Deps, reopen_ref: str, indexes: Sequence[int]) -> None:
    """Write the chosen tasks under `reopen_ref`, the sizes last."""
    by_node: dict[int, list[int]] = {}
    for index in indexes:
        by_node.setdefault(node_of(index), []).append(index)
    for node, members in by_node.items():
        deps.data.put(f"{reopen_ref}/{node:02d}.json", encode_json([*members]), "application/json")
    sizes = {str(node): len(members) for node, members in by_node.items()}
    deps.data.put(f"{reopen_ref}/nodes.json", encode_json({**sizes}), "application/json")


def selection_of(deps: Deps, job: Job) -> Selection:
    """Return what this generation of the job runs."""
    assert job.total is not None
    return Chosen(deps, job.reopen_ref) if job.reopen_ref else Everything(job.total)


def attempts_of(deps: Deps, job: Job, indexes: Sequence[int]) -> Mapping[int, int]:
    """Return the attempt that each task is to be sent with: 1, or what its (reopened) row says."""
    if job.gen == 1:
        return dict.fromkeys(indexes, 1)
    rows = deps.store.get_tasks(job.job_id, indexes)
    return {index: rows[index].attempt for index in indexes if index in rows}
