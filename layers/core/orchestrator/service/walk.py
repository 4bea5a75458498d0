"""Find tasks by state: down the tree to exactly the leaves that hold some."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping

from orchestrator.model.ids import (
    NODE_LEAVES,
    NODE_SIZE,
    leaf_of,
    leaf_range,
    leaves_of_node,
    node_of,
    nodes_of,
    offset_of,
)
from orchestrator.model.items import Job
from orchestrator.model.progress import Leaf, Root, Tally, unpack_leaf
from orchestrator.model.states import TaskState
from orchestrator.service.ports import Deps

_MANY_LEAVES = 8
"""From so many leaves of one node on, one query for all of them is cheaper than a read each."""


def find_tasks(
    deps: Deps,
    job: Job,
    root: Root,
    states: Collection[TaskState] | None,
    first: int,
    limit: int,
    running: Collection[int],
    known: Mapping[int, Leaf | None],
) -> list[tuple[int, Leaf | None]]:
    """Return up to `limit` tasks from index `first` on that are in one of `states`, with their leaves.

    `known` are leaves that were read already; `root` is not looked at where `states` is None: all of them.
    RUNNING is what `running` (indexes) holds and no set has ended; it is taken out of PENDING and RETRYING.
    """
    total = job.total or 0
    found: list[tuple[int, Leaf | None]] = []
    for number, leaf in _leaves(deps, job, root, states, first, running, known):
        for index in leaf_range(number, total):
            if index >= first and (states is None or _state(leaf, index, running) in states):
                found.append((index, leaf))
                if len(found) == limit:
                    return found
    return found


def _state(leaf: Leaf | None, index: int, running: Collection[int]) -> TaskState:
    state = leaf.state(offset_of(index)) if leaf is not None else TaskState.PENDING
    return TaskState.RUNNING if index in running and not state.final else state


def _leaves(
    deps: Deps,
    job: Job,
    root: Root,
    states: Collection[TaskState] | None,
    first: int,
    running: Collection[int],
    known: Mapping[int, Leaf | None],
) -> Iterator[tuple[int, Leaf | None]]:
    """Yield the leaves, from that of `first` on, that may hold tasks in one of `states`."""
    total = job.total or 0
    for node in nodes_of(total):
        size = min(NODE_SIZE, total - node * NODE_SIZE)
        if (node + 1) * NODE_SIZE <= first or not _may_hold(
            root.node_tally(node), size, states, [i for i in running if node_of(i) == node]
        ):
            continue
        numbers = [n for n in leaves_of_node(node, total) if n >= leaf_of(first)]
        if states is not None:
            numbers = _matching(deps, job, node, numbers, states, running)
        yield from _read(deps, job, node, numbers, known)


def _may_hold(
    tally: Tally, size: int, states: Collection[TaskState] | None, running: Collection[int]
) -> bool:
    if states is None:
        return size > 0
    held = {
        TaskState.SUCCEEDED: tally.ok,
        TaskState.FAILED: tally.failed,
        TaskState.CANCELLED: tally.cancelled,
        TaskState.SKIPPED: tally.skipped,
        TaskState.RETRYING: tally.retrying,
        TaskState.RUNNING: len(running),
        TaskState.PENDING: size - tally.finals - tally.retrying,
    }
    return any(held[state] > 0 for state in states)


def _matching(
    deps: Deps,
    job: Job,
    node: int,
    numbers: Iterable[int],
    states: Collection[TaskState],
    running: Collection[int],
) -> list[int]:
    """Keep the leaves that, as the node counts them, hold tasks in one of `states`."""
    known = deps.store.get_nodes(job.job_id, [node]).get(node)
    packed = known.leaves if known is not None else {}
    return [
        number
        for number in numbers
        if _may_hold(
            unpack_leaf(packed.get(number % NODE_LEAVES, 0)).tally,
            len(leaf_range(number, job.total or 0)),
            states,
            [i for i in running if leaf_of(i) == number],
        )
    ]


def _read(
    deps: Deps, job: Job, node: int, numbers: list[int], known: Mapping[int, Leaf | None]
) -> Iterator[tuple[int, Leaf | None]]:
    for number in numbers[:_MANY_LEAVES]:
        leaf = known[number] if number in known else deps.store.get_leaf(job.job_id, number)
        yield number, leaf
    if numbers[_MANY_LEAVES:]:
        leaves = deps.store.get_node_leaves(job.job_id, node)
        for number in numbers[_MANY_LEAVES:]:
            yield number, leaves.get(number)
