"""A store in memory that counts write and read units by partition and second, with the product's own keys."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Unpack

from orchestrator.model.ids import node_of_leaf
from orchestrator.model.items import Job, Outbox
from orchestrator.model.progress import Leaf, Node, Root, SetName
from orchestrator.model.series import Point
from orchestrator.service.ports import JobChanges, JobGuard
from orchestrator.store.codec import job_key, leaf_key, node_key, outbox_key, task_key
from tests.fakes.store import MemoryStore

UNIT_BYTES = 1024
"""A write unit: DynamoDB rounds an item up to whole KB."""
_NODE_BYTES, _LEAF_SLOT_BYTES = 60, 16
_ROOT_BYTES, _NODE_SLOT_BYTES = 120, 22
"""As the receipt has them. A slot is its name, one byte, and one for two digits: 24 of a leaf, 36 of a node."""
_JOB_UNITS = 2
"""JOB with its policy and events is above 1 KB."""
ROUND_TRIP_SECONDS = 0.005
"""A reader of ROOT does not see what was pushed while its own answer travelled."""

type Counts = Counter[tuple[int, str]]
"""Units by (second, partition key)."""


def units(size_bytes: int) -> int:
    """Return the write units of an item."""
    return -(-size_bytes // UNIT_BYTES)


class CountingStore(MemoryStore):
    """Counts each write at its partition, refused ones too: DynamoDB charges them. `clock` is the model's."""

    def __init__(self, clock: Callable[[], float]) -> None:
        super().__init__()
        self.writes: Counts = Counter()
        self.reads: Counts = Counter()
        self._clock = clock
        self._pushed: deque[tuple[float, Root]] = deque()
        self._writes_root = False

    def _count(self, partition: str, number: int = 1) -> None:
        self.writes[int(self._clock()), partition] += number

    def rows(self, job_id: str, indexes: Iterable[int]) -> None:
        """Count rows of tasks that are written once: rows are kept below 1 KB."""
        for index in indexes:
            self._count(task_key(job_id, index)[0])

    def get_job(self, job_id: str) -> Job | None:
        self.reads[int(self._clock()), job_key(job_id)] += 1
        return super().get_job(job_id)

    def get_root(self, job_id: str) -> Root:
        """Return ROOT as it was a round trip ago; a write meets it as it stands."""
        if self._writes_root:
            return super().get_root(job_id)
        self.reads[int(self._clock()), job_key(job_id)] += 1
        while self._pushed and self._pushed[0][0] <= self._clock() - ROUND_TRIP_SECONDS:
            self._pushed.popleft()
        return self._pushed[0][1] if self._pushed else super().get_root(job_id)

    def push_node(
        self, job_id: str, node: int, packed: int, now: datetime, expires_at: datetime
    ) -> Root:
        self._pushed.append((self._clock(), self.tables.roots.get(job_id, Root())))
        self._writes_root = True
        root = super().push_node(job_id, node, packed, now, expires_at)
        self._writes_root = False
        self._count(job_key(job_id), units(_ROOT_BYTES + _NODE_SLOT_BYTES * len(root.nodes)))
        return root

    def push_leaves(
        self, job_id: str, packed: Mapping[int, int], expires_at: datetime, calls: int = 0
    ) -> Node:
        node = super().push_leaves(job_id, packed, expires_at, calls)
        size = _NODE_BYTES + _LEAF_SLOT_BYTES * len(node.leaves)
        self._count(node_key(job_id, node_of_leaf(min(packed)))[0], units(size))
        return node

    def add_to_leaf(
        self,
        job_id: str,
        leaf: int,
        gen: int,
        adds: Mapping[SetName, frozenset[int]],
        expires_at: datetime,
    ) -> Leaf | None:
        self._count(leaf_key(job_id, leaf)[0])
        return super().add_to_leaf(job_id, leaf, gen, adds, expires_at)

    def update_job(self, job_id: str, guard: JobGuard, **changes: Unpack[JobChanges]) -> Job | None:
        self._count(job_key(job_id), _JOB_UNITS)
        return super().update_job(job_id, guard, **changes)

    def put_outbox_item(self, item: Outbox) -> None:
        self._count(outbox_key(item)[0])
        super().put_outbox_item(item)

    def delete_outbox_item(self, item: Outbox) -> None:
        self._count(outbox_key(item)[0])
        super().delete_outbox_item(item)

    def put_point(self, job_id: str, point: Point, expires_at: datetime) -> bool:
        self._count(f"S#{job_id}")
        return super().put_point(job_id, point, expires_at)
