"""How long tasks took: a histogram of a bounded sample of rows, and what they used per task."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict

from orchestrator.model.ids import NODE_LEAVES, leaves_of_node, nodes_of
from orchestrator.model.items import Job, TaskRow
from orchestrator.model.progress import Root, unpack_leaf
from orchestrator.model.states import TaskState
from orchestrator.service.ports import Deps

LEAVES_SAMPLED = 4
"""Leaves of 250 rows each: four queries, whatever the size of the job."""
EDGES_MS = (0, *(digit * 10**power for power in range(8) for digit in (1, 2, 5)))
"""Edges of the bins; the last one is open."""


class DurationBin(BaseModel):
    """Tasks whose last attempt took from_ms up to (not including) to_ms; the last bin of all has no end."""

    model_config = ConfigDict(frozen=True)

    from_ms: int
    to_ms: int | None
    succeeded: int
    failed: int


class DurationsOut(BaseModel):
    """Durations of `sampled` of the `ended` tasks (SUCCEEDED and FAILED), of their last attempts.

    `basis`: "all", or "sample": leaves of 250 neighbours, spread evenly over the job.
    """

    model_config = ConfigDict(frozen=True)

    basis: Literal["sample", "all"]
    sampled: int
    ended: int
    bins: list[DurationBin]
    min_ms: int
    p50_ms: int
    p90_ms: int
    p99_ms: int
    max_ms: int
    mean_ms: float


@dataclass(frozen=True, slots=True)
class Sample:
    """Rows of tasks that ended, of how many that did."""

    rows: Sequence[TaskRow]
    ended: int

    @property
    def complete(self) -> bool:
        """Tell whether the sample is everything."""
        return len(self.rows) >= self.ended


def sample_rows(deps: Deps, job: Job, root: Root) -> Sample:
    """Read the rows of up to four leaves that hold ended tasks: one batch of nodes, a query a leaf."""
    tally = root.tally()
    rows = [
        row
        for leaf in _chosen_leaves(deps, job, root)
        for row in deps.store.get_leaf_tasks(job.job_id, leaf).values()
        if row.state in (TaskState.SUCCEEDED, TaskState.FAILED) and row.last is not None
    ]
    return Sample(rows, tally.ok + tally.failed)


def _chosen_leaves(deps: Deps, job: Job, root: Root) -> Sequence[int]:
    total = job.total or 0
    nodes = [
        node
        for node in nodes_of(total)
        if root.node_tally(node).ok + root.node_tally(node).failed > 0
    ]
    chosen = spread(nodes, LEAVES_SAMPLED)
    known = deps.store.get_nodes(job.job_id, chosen) if chosen else {}
    leaves = [
        number
        for node in chosen
        if node in known
        for number in leaves_of_node(node, total)
        if _has_ended(known[node].leaves.get(number % NODE_LEAVES, 0))
    ]
    return spread(leaves, LEAVES_SAMPLED)


def _has_ended(packed: int) -> bool:
    tally = unpack_leaf(packed).tally
    return tally.ok + tally.failed > 0


def spread[T](items: Sequence[T], count: int) -> Sequence[T]:
    """Return up to `count` of `items`, evenly apart, each from the middle of its stretch."""
    if len(items) <= count:
        return items
    return [items[(2 * k + 1) * len(items) // (2 * count)] for k in range(count)]


def durations_of(sample: Sample) -> DurationsOut | None:
    """Return the histogram, None where nothing has ended."""
    timed = sorted(_timed(sample.rows))
    if not timed:
        return None
    values = [duration for duration, _ in timed]
    return DurationsOut(
        basis="all" if sample.complete else "sample",
        sampled=len(values),
        ended=max(sample.ended, len(values)),
        bins=_bins(timed),
        min_ms=values[0],
        p50_ms=quantile(values, 0.5),
        p90_ms=quantile(values, 0.9),
        p99_ms=quantile(values, 0.99),
        max_ms=values[-1],
        mean_ms=round(sum(values) / len(values), 1),
    )


def _timed(rows: Iterable[TaskRow]) -> Iterable[tuple[int, bool]]:
    return (
        (row.last.duration_ms, row.state is TaskState.SUCCEEDED)
        for row in rows
        if row.last is not None
    )


def quantile(ascending: Sequence[int], share: float) -> int:
    """Return the smallest value that at least `share` of the values do not exceed (nearest rank)."""
    return ascending[max(0, -int(-len(ascending) * share // 1) - 1)]


def _bins(timed: Sequence[tuple[int, bool]]) -> list[DurationBin]:
    """Return the bins from the one of the shortest to the one of the longest, empty ones between too."""
    low, high = timed[0][0], timed[-1][0]
    ends = (*EDGES_MS[1:], None)
    return [
        DurationBin(
            from_ms=start,
            to_ms=end,
            succeeded=sum(ok for value, ok in timed if _within(value, start, end)),
            failed=sum(not ok for value, ok in timed if _within(value, start, end)),
        )
        for start, end in zip(EDGES_MS, ends, strict=True)
        if start <= high and (end is None or end > low)
    ]


def _within(value: int, start: int, end: int | None) -> bool:
    return value >= start and (end is None or value < end)
