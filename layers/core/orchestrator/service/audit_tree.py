"""JOB against ROOT, ROOT against nodes, nodes against leaves, the sets of a leaf against each other.

Pure functions of items that were read from the top down: JOB and ROOT first, then the node, its leaves, and
the rows last, while everything is written the other way round. So what is below is never older than what is
above it. A copy that is behind is what a healthy job in flight looks like; one that is ahead, or that says
something else at the same version, is a violation at any time.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from orchestrator.model.ids import (
    LEAF_SIZE,
    NODE_LEAVES,
    NODE_SIZE,
    leaf_range,
    leaves_of_node,
    nodes_of,
)
from orchestrator.model.progress import (
    FINAL_SETS,
    Counts,
    Leaf,
    Node,
    Packed,
    Root,
    Tally,
    unpack_leaf,
    unpack_node,
)
from orchestrator.model.states import JobState, state_after
from orchestrator.policy import Policy, how_it_ends
from orchestrator.service.audit_kinds import Facts, Finding, Place, expired


def check_job(facts: Facts, root: Root) -> Iterator[Finding]:
    """Hold JOB to ROOT: counts, last state, cursor."""
    for number in sorted(root.nodes.keys() - set(nodes_of(facts.total))):
        yield Finding("orphan_node", ("node", number), "no such node", "counts in ROOT")
    yield from _check_cursor(facts, root)
    if facts.final and facts.total:
        yield from _check_end(facts, root)


def _check_end(facts: Facts, root: Root) -> Iterator[Finding]:
    job, tally = facts.job, root.tally()
    counts = Counts(
        succeeded=tally.ok, failed=tally.failed, cancelled=tally.cancelled, skipped=tally.skipped
    )
    if tally.finals != facts.total or tally.retrying:
        seen = f"{tally.finals} ended, {tally.retrying} retrying"
        yield Finding("job_not_complete", ("job", 0), f"{facts.total} ended", seen)
    if job.final_counts != counts:
        seen = _counts_text(job.final_counts) if job.final_counts else "none"
        yield Finding("final_counts_differ", ("job", 0), _counts_text(counts), seen)
    event = how_it_ends(
        Policy.load(job.policy), tally, facts.total, job.stop.reason if job.stop else None
    )
    if state_after(event) is not job.state:
        yield Finding("final_state_differs", ("job", 0), state_after(event), job.state)


def _counts_text(counts: Counts) -> str:
    named = ((name, getattr(counts, name)) for name in Counts.__dataclass_fields__)
    return ", ".join(f"{name} {count}" for name, count in named if count) or "nothing"


def _check_cursor(facts: Facts, root: Root) -> Iterator[Finding]:
    job = facts.job
    chosen = facts.total - job.base_finals
    ran_out = facts.final and job.stop is None and job.cursor != chosen
    if not 0 <= job.cursor <= chosen <= facts.total or (ran_out and facts.total):
        expected = f"{chosen}" if ran_out else f"0 to {chosen} of {facts.total}"
        yield Finding("cursor_out_of_range", ("job", 0), expected, f"{job.cursor}")
    ended = root.tally().finals - job.base_finals
    if job.state is JobState.PROCESSING and ended > job.cursor:
        yield Finding("ended_but_never_sent", ("job", 0), f"at most {job.cursor}", f"{ended}")


def check_node(facts: Facts, root: Root, number: int, node: Node | None) -> Iterator[Finding]:
    """Hold ROOT's count of a node to the node."""
    for slot in sorted((node or Node()).leaves):
        leaf = number * NODE_LEAVES + slot
        if leaf not in leaves_of_node(number, facts.total):
            yield Finding("orphan_leaf", ("leaf", leaf), "no such leaf", "counts in the node")
    if node is None and facts.expired:
        yield expired(("node", number))
        return
    upper = unpack_node(root.nodes[number]) if number in root.nodes else None
    size = min(NODE_SIZE, facts.total - number * NODE_SIZE)
    place: Place = ("node", number)
    yield from _compare("root", facts, place, size, upper, (node or Node()).packed())


def check_leaf_count(
    facts: Facts, node: Node | None, number: int, leaf: Leaf | None
) -> Iterator[Finding]:
    """Hold a node's count of a leaf to the leaf's sets."""
    if facts.expired and (leaf is None or node is None):
        return  # check_leaf or check_node says so.
    packed = node.leaves.get(number % NODE_LEAVES) if node is not None else None
    upper = unpack_leaf(packed) if packed is not None else None
    size = len(leaf_range(number, facts.total))
    yield from _compare("node", facts, ("leaf", number), size, upper, (leaf or Leaf()).packed())


def _compare(
    copy: Literal["root", "node"],
    facts: Facts,
    place: Place,
    size: int,
    upper: Packed | None,
    lower: Packed,
) -> Iterator[Finding]:
    """Hold a packed copy to what it is a copy of; it was read before, so it may only be behind."""
    seen = upper or Packed(0, Tally())
    if seen.tally.finals + seen.tally.retrying > size:
        yield Finding("count_too_big", place, f"at most {size}", _packed_text(seen))
    if seen.ver > lower.ver:
        yield Finding(f"{copy}_ahead", place, _packed_text(lower), _packed_text(seen))
    elif seen.tally.ok > lower.tally.ok or (seen.ver == lower.ver and seen != lower):
        yield Finding(f"{copy}_differs", place, _packed_text(lower), _packed_text(seen))
    elif seen.ver < lower.ver:
        kind = f"{copy}_stale" if facts.final else f"{copy}_behind"
        yield Finding(kind, place, _packed_text(lower), _packed_text(seen))


def _packed_text(packed: Packed) -> str:
    counts = ", ".join(f"{name} {n}" for name, n in packed.tally._asdict().items() if n)
    return f"version {packed.ver}: {counts or 'nothing'}"


def check_leaf(facts: Facts, number: int, leaf: Leaf | None) -> Iterator[Finding]:
    """Hold a leaf's sets to each other and to the job's state."""
    if leaf is None:
        if facts.expired:
            yield expired(("leaf", number))
        elif facts.final:
            yield Finding("leaf_missing", ("leaf", number), "a closed leaf", "none")
        return
    yield from _check_sets(facts, number, leaf)
    yield from _check_closing(facts, number, leaf)
    ended = len(leaf.cancelled | leaf.skipped)
    if ended and facts.job.gen == 1 and facts.job.stop is None:
        yield Finding("ended_without_stop", ("leaf", number), "none", f"{ended} tasks")


def _check_sets(facts: Facts, number: int, leaf: Leaf) -> Iterator[Finding]:
    sizes = sum(len(leaf.members(name)) for name in FINAL_SETS)
    if sizes > len(leaf.finals):
        for offset in sorted(leaf.finals):
            names = [name for name in FINAL_SETS if offset in leaf.members(name)]
            if len(names) > 1:
                task = number * LEAF_SIZE + offset
                yield Finding("sets_overlap", ("task", task), "one set", " and ".join(names))
    for offset in sorted(leaf.finals | leaf.retry):
        task = number * LEAF_SIZE + offset
        if task not in leaf_range(number, facts.total):
            yield Finding("orphan_offset", ("task", task), f"below {facts.total}", f"{task}")


def _check_closing(facts: Facts, number: int, leaf: Leaf) -> Iterator[Finding]:
    job = facts.job
    if leaf.gen > job.gen or (facts.final and leaf.gen != job.gen):
        yield Finding("leaf_generation", ("leaf", number), f"{job.gen}", f"{leaf.gen}")
    if facts.final and leaf.closed != "done":
        yield Finding("leaf_not_closed", ("leaf", number), "done", leaf.closed or "open")
    open_tasks = len(leaf_range(number, facts.total)) - len(leaf.finals)
    stopping = job.state is JobState.STOPPING or facts.final
    if open_tasks > 0 and (
        leaf.closed == "done" or (leaf.closed and leaf.gen == job.gen and not stopping)
    ):
        yield Finding("leaf_closed_early", ("leaf", number), "no open task", f"{open_tasks} open")
