"""Progress as a tree of idempotent sets and versioned counts: LEAF (sets), NODE and ROOT (packed).

A count is the size of a set, so repeating a write changes nothing. NODE and ROOT carry packed
decimal numbers with the version first: the bigger of two is the newer, and a conditional write
that only ever replaces smaller by bigger makes every push idempotent and order-free.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal, NamedTuple

from orchestrator.model.states import TaskState

SetName = Literal["ok", "failed", "cancelled", "skipped", "retry"]
FINAL_SETS: tuple[SetName, ...] = ("ok", "failed", "cancelled", "skipped")
STATE_OF_SET: dict[SetName, TaskState] = {
    "ok": TaskState.SUCCEEDED,
    "failed": TaskState.FAILED,
    "cancelled": TaskState.CANCELLED,
    "skipped": TaskState.SKIPPED,
}
SET_OF_STATE: dict[TaskState, SetName] = {
    **{state: name for name, state in STATE_OF_SET.items()},
    TaskState.RETRYING: "retry",
}
RUNNING_FRESH = timedelta(seconds=45)
"""Running counts older than this are not shown: three heartbeats were missed."""

_LEAF_VER, _LEAF_COUNT = 9, 3
_NODE_VER, _NODE_COUNT = 11, 5


class Tally(NamedTuple):
    """Counts of a leaf, a node or a job; pending is what is left of the total."""

    ok: int = 0
    failed: int = 0
    retrying: int = 0
    cancelled: int = 0
    skipped: int = 0

    @property
    def finals(self) -> int:
        """Return how many tasks have ended."""
        return self.ok + self.failed + self.cancelled + self.skipped


def add_tallies(tallies: Iterable[Tally]) -> Tally:
    """Return the sum of `tallies`."""
    columns = list(zip(*tallies, strict=True))
    return Tally(*(sum(column) for column in columns)) if columns else Tally()


class Packed(NamedTuple):
    """A version and its counts, as one number of fixed width."""

    ver: int
    tally: Tally


def _pack(packed: Packed, width: int) -> int:
    number = packed.ver
    for count in packed.tally:
        number = number * 10**width + count
    return number


def _unpack(number: int, width: int) -> Packed:
    counts = []
    for _ in Tally._fields:
        number, count = divmod(number, 10**width)
        counts.append(count)
    return Packed(number, Tally(*reversed(counts)))


def pack_leaf(packed: Packed) -> int:
    """Pack ver(9) and five counts(3): 24 digits, within DynamoDB's 38."""
    assert packed.ver < 10**_LEAF_VER
    return _pack(packed, _LEAF_COUNT)


def unpack_leaf(number: int) -> Packed:
    """Undo `pack_leaf`."""
    return _unpack(number, _LEAF_COUNT)


def pack_node(packed: Packed) -> int:
    """Pack ver(11) and five counts(5): 36 digits, within DynamoDB's 38."""
    assert packed.ver < 10**_NODE_VER
    return _pack(packed, _NODE_COUNT)


def unpack_node(number: int) -> Packed:
    """Undo `pack_node`."""
    return _unpack(number, _NODE_COUNT)


Closed = Literal["closing", "done"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaf:
    """The sets of offsets (0..249) of one leaf. Absent: all pending, open, gen 1."""

    gen: int = 1
    ver: int = 0
    ok: frozenset[int] = frozenset()
    failed: frozenset[int] = frozenset()
    cancelled: frozenset[int] = frozenset()
    skipped: frozenset[int] = frozenset()
    retry: frozenset[int] = frozenset()
    closed: Closed | None = None

    @property
    def finals(self) -> frozenset[int]:
        """Return the offsets that have ended."""
        return self.ok | self.failed | self.cancelled | self.skipped

    def members(self, name: SetName) -> frozenset[int]:
        """Return one of the sets by its name."""
        sets: dict[SetName, frozenset[int]] = {
            "ok": self.ok,
            "failed": self.failed,
            "cancelled": self.cancelled,
            "skipped": self.skipped,
            "retry": self.retry,
        }
        return sets[name]

    def state(self, offset: int) -> TaskState:
        """Return the state that the sets give to `offset`: the set wins over the row."""
        for name in FINAL_SETS:
            if offset in self.members(name):
                return STATE_OF_SET[name]
        return TaskState.RETRYING if offset in self.retry else TaskState.PENDING

    def packed(self) -> Packed:
        """Return the version and the counts that the node keeps of this leaf."""
        retrying = len(self.retry - self.finals)
        sizes = (len(self.ok), len(self.failed), retrying, len(self.cancelled), len(self.skipped))
        return Packed(self.ver, Tally(*sizes))


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """Packed leaves by slot (leaf modulo 64). Absent: all pending.

    `calls`: reports of workers that changed it, a sum for the receipt; a lost answer may count twice.
    """

    ver: int = 0
    leaves: Mapping[int, int] = field(default_factory=dict)
    calls: int = 0

    def packed(self) -> Packed:
        """Return the version and the counts that the root keeps of this node."""
        return Packed(self.ver, add_tallies(unpack_leaf(n).tally for n in self.leaves.values()))


@dataclass(frozen=True, slots=True, kw_only=True)
class Root:
    """Packed nodes, and how many tasks the workers said to be running at `running_as_of`.

    `pushes` counts the writes of nodes, for the receipt.
    """

    nodes: Mapping[int, int] = field(default_factory=dict)
    pushed_at: datetime | None = None
    pushes: int = 0
    running_first: int = 0
    running_retry: int = 0
    running_as_of: datetime | None = None

    def tally(self) -> Tally:
        """Return the job's counts."""
        return add_tallies(unpack_node(number).tally for number in self.nodes.values())

    def node_tally(self, node: int) -> Tally:
        """Return the counts of one node as the root knows them."""
        return unpack_node(self.nodes[node]).tally if node in self.nodes else Tally()


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """What the API shows; the sum is the total in every answer."""

    pending: int = 0
    running: int = 0
    retrying: int = 0
    succeeded: int = 0
    failed: int = 0
    cancelled: int = 0
    skipped: int = 0

    @property
    def finals(self) -> int:
        """Return how many tasks have ended."""
        return self.succeeded + self.failed + self.cancelled + self.skipped

    @property
    def total(self) -> int:
        """Return the sum of all counts."""
        return self.finals + self.pending + self.running + self.retrying


def counts_of(total: int, root: Root, now: datetime) -> Counts:
    """Return the counts of a job of `total` tasks (PROTOCOL: counts of a job, from JOB and ROOT)."""
    tally = root.tally()
    unstarted = total - tally.finals - tally.retrying
    fresh = root.running_as_of is not None and now - root.running_as_of <= RUNNING_FRESH
    first = min(root.running_first, unstarted) if fresh else 0
    retry = min(root.running_retry, tally.retrying) if fresh else 0
    return Counts(
        pending=unstarted - first,
        running=first + retry,
        retrying=tally.retrying - retry,
        succeeded=tally.ok,
        failed=tally.failed,
        cancelled=tally.cancelled,
        skipped=tally.skipped,
    )
