"""The grid of a job: every task's state in one answer of at most 300,000 bytes, then only what changed.

An answer reads JOB and ROOT (one query), who runs what (one query, none of a final job), and of nodes whose
version in ROOT is not the one the reader has seen: NODE (one batch) and those leaves that are neither of one
state, as their node counts them, nor of a version seen before.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from orchestrator.errors import InvalidCursor
from orchestrator.model.grid import GridVersion, leaf_block, uniform_block, uniform_state
from orchestrator.model.ids import (
    LEAF_SIZE,
    NODE_LEAVES,
    NODE_SIZE,
    leaf_range,
    leaves_of_node,
    nodes_of,
)
from orchestrator.model.items import Job
from orchestrator.model.progress import Leaf, Node, Packed, Root, Tally, unpack_leaf, unpack_node
from orchestrator.service.access import Caller, own_job
from orchestrator.service.cursor import decode_cursor, encode_cursor
from orchestrator.service.ports import Deps
from orchestrator.service.read import running_now
from orchestrator.service.views import counts_view, job_counts

BLOCKS_MAX_BYTES = 260_000
"""A million tasks in blocks of up to four states are 256,000; the header has 40,000 beside them."""
RUNNING_MAX = 4_000
"""Indexes of running tasks in the header, at most 32,000 bytes of it."""
DETAILED_NODES = 8
"""Nodes whose leaves' versions a version carries: a window of 100,000 tasks lies on so many."""
TIME_MAX = timedelta(seconds=15)
"""Of the request's 29 s. A million tasks in four states at random take 2.6 s on an emulator."""
_UNTOUCHED = (0,) * NODE_LEAVES
"""The versions of the leaves of a node that nothing was pushed to."""
_MANY_LEAVES = 8
"""From so many leaves of one node on, one query for all of them is cheaper than a read each."""


@dataclass(frozen=True, slots=True)
class GridView:
    """A job as a reader of its grid finds it; `tag` changes with anything that the answer shows."""

    job: Job
    running: Sequence[int]
    counts: Mapping[str, int]
    root: Root
    seen: GridVersion
    tag: str


def open_grid(deps: Deps, caller: Caller, job_id: str, since: str | None) -> GridView:
    """Read what decides whether anything changed, no leaf yet. Raises NotFound, InvalidCursor."""
    job, root = own_job(deps, caller, job_id)
    seen = _seen(deps, job_id, since)
    running = sorted(index for index in running_now(deps, job) if index < (job.total or 0))
    counts = counts_view(job_counts(job, root, deps.now())).model_dump()
    shown = [job.gen, job.state, job.total, sorted(root.nodes.items()), running, counts, since]
    tag = hashlib.sha256(json.dumps(shown).encode()).hexdigest()[:24]
    return GridView(job, running, counts, root, seen, tag)


def _seen(deps: Deps, job_id: str, since: str | None) -> GridVersion:
    if since is None:
        return GridVersion()
    position = decode_cursor(deps.cursor_key(), ["grid", job_id], since)
    if isinstance(position, int):
        raise InvalidCursor("the version comes from a list", action="Begin without since.")
    return GridVersion.decode(position)


def grid_body(deps: Deps, view: GridView) -> bytes:
    """Return the answer: the header's length (4 bytes, little-endian), the header as JSON, the blocks."""
    nodes, details = dict(view.seen.nodes), dict(view.seen.leaves)
    blocks: dict[int, bytes] = {}
    fresh: set[int] = set()
    size, complete, until = 0, True, deps.now() + TIME_MAX
    for node, found, versions in _changed_nodes(deps, view):
        size += sum(map(len, found.values()))
        if size > BLOCKS_MAX_BYTES or deps.now() > until:
            complete = False
            break
        blocks |= found
        nodes[node], details[node] = _root_node(view.root, node).ver, versions
        fresh.add(node)
    kept = _worth_detail(view, details, fresh)
    version = GridVersion(nodes=nodes, leaves=kept).encode()
    header = {
        "job_id": view.job.job_id,
        "state": view.job.state,
        "gen": view.job.gen,
        "total": view.job.total,
        "leaf_size": LEAF_SIZE,
        "version": encode_cursor(deps.cursor_key(), ["grid", view.job.job_id], version),
        "complete": complete,
        "leaves": _runs(blocks),
        "running": view.running[:RUNNING_MAX],
        "running_total": len(view.running),
        "counts": view.counts,
    }
    text = json.dumps(header, separators=(",", ":")).encode()
    return b"".join([len(text).to_bytes(4, "little"), text, *blocks.values()])


def _runs(numbers: Iterable[int]) -> list[list[int]]:
    """Return ascending leaf numbers as runs [first, count]."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and sum(runs[-1]) == number:
            runs[-1][1] += 1
        else:
            runs.append([number, 1])
    return runs


def _root_node(root: Root, node: int) -> Packed:
    return unpack_node(root.nodes.get(node, 0))


def _node_state(view: GridView, node: int, tally: Tally) -> bytes | None:
    """Return the block of each leaf of a node whose tasks are all in one state, or None."""
    size = min(NODE_SIZE, (view.job.total or 0) - node * NODE_SIZE)
    state = uniform_state(tally, size)
    return uniform_block(state) if state is not None else None


def _worth_detail(
    view: GridView, details: Mapping[int, tuple[int, ...]], fresh: Collection[int]
) -> dict[int, tuple[int, ...]]:
    """Keep the leaves' versions of the nodes at work, which change again soon: first those that just did."""
    busy = [
        node
        for node in sorted(details, reverse=True)
        if details[node] and _node_state(view, node, _root_node(view.root, node).tally) is None
    ]
    busy.sort(key=lambda node: node not in fresh)
    return {node: details[node] for node in busy[:DETAILED_NODES]}


type _Found = tuple[int, dict[int, bytes], tuple[int, ...]]
"""A node, the blocks of its leaves that are to be sent, and the versions of all of them."""


def _changed_nodes(deps: Deps, view: GridView) -> Iterator[_Found]:
    """Yield the nodes that are not as the reader saw them. Leaves are read as the reader asks for more."""
    total = view.job.total or 0
    changed = [
        node
        for node in nodes_of(total)
        if view.seen.nodes.get(node) != _root_node(view.root, node).ver
    ]
    alike = {
        node: block
        for node in changed
        if node not in view.seen.leaves
        and (block := _node_state(view, node, _root_node(view.root, node).tally)) is not None
    }
    mixed = [node for node in changed if node not in alike]
    known = deps.store.get_nodes(view.job.job_id, mixed) if mixed else {}
    for node in changed:
        if node in alike:
            yield node, dict.fromkeys(leaves_of_node(node, total), alike[node]), ()
        else:
            yield _mixed_node(deps, view, node, known.get(node) or Node())


def _mixed_node(deps: Deps, view: GridView, node: int, known: Node) -> _Found:
    total = view.job.total or 0
    before = view.seen.leaves.get(node)
    if before is None and view.seen.nodes.get(node) == 0:
        before = _UNTOUCHED
    counted = {
        number: unpack_leaf(known.leaves.get(number % NODE_LEAVES, 0))
        for number in leaves_of_node(node, total)
    }
    versions = list(before or _UNTOUCHED)
    blocks: dict[int, bytes | None] = {}
    for number, packed in counted.items():
        if before is None or packed.ver > before[number % NODE_LEAVES]:
            versions[number % NODE_LEAVES] = packed.ver
            state = uniform_state(packed.tally, len(leaf_range(number, total)))
            blocks[number] = uniform_block(state) if state is not None else None
    unread = [number for number, block in blocks.items() if block is None]
    for number, leaf in _read_leaves(deps, view.job.job_id, node, unread):
        slot = number % NODE_LEAVES
        versions[slot] = max(versions[slot], leaf.ver)
        blocks[number] = leaf_block(leaf, len(leaf_range(number, total)))
    found = {number: block for number, block in blocks.items() if block is not None}
    return node, found, tuple(versions)


def _read_leaves(
    deps: Deps, job_id: str, node: int, numbers: Sequence[int]
) -> Iterator[tuple[int, Leaf]]:
    if len(numbers) > _MANY_LEAVES:
        leaves = deps.store.get_node_leaves(job_id, node)
        yield from ((number, leaves.get(number) or Leaf()) for number in numbers)
    else:
        yield from ((number, deps.store.get_leaf(job_id, number) or Leaf()) for number in numbers)
