"""An in-memory store with DynamoDB's conditional semantics, and hooks to crash between any two writes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime
from typing import Any, Unpack

from orchestrator.model.ids import NODE_LEAVES, leaf_of, node_of_leaf
from orchestrator.model.items import (
    ApiKey,
    At,
    Idem,
    Job,
    Outbox,
    TaskRow,
    TaskWrite,
)
from orchestrator.model.progress import Leaf, Node, Root, SetName
from orchestrator.model.states import JobState, TaskState
from orchestrator.service.ports import JobChanges, JobGuard, Refused
from tests.fakes.conditions import expected, guard_holds, outbox_key
from tests.fakes.fleet import MemoryFleet
from tests.fakes.holds import MemoryHolds
from tests.fakes.hooks import Hook, Hooked, ignore, write
from tests.fakes.insight import MemoryInsight


@dataclass(slots=True)
class _Tables:
    jobs: dict[str, Job]
    roots: dict[str, Root]
    leaves: dict[tuple[str, int], Leaf]
    nodes: dict[tuple[str, int], Node]
    tasks: dict[tuple[str, int], TaskRow]
    outbox: dict[tuple[object, ...], Outbox]
    given: dict[str, frozenset[int]]
    idems: dict[str, Idem]
    keys: dict[str, ApiKey]


class MemoryStore(MemoryFleet, MemoryHolds, MemoryInsight, Hooked):
    """`orchestrator.service.ports.Store` in memory."""

    def __init__(self, before_write: Hook = ignore, after_write: Hook = ignore) -> None:
        Hooked.__init__(self, before_write, after_write)
        MemoryFleet.__init__(self)
        MemoryHolds.__init__(self)
        MemoryInsight.__init__(self)
        self.tables = _Tables(*({} for _ in fields(_Tables)))
        self.sweep_minute: int | None = None

    # JOB and ROOT
    @write
    def put_job(self, job: Job) -> bool:
        if job.job_id in self.tables.jobs:
            return False
        self.tables.jobs[job.job_id] = job
        return True

    def get_job(self, job_id: str) -> Job | None:
        return self.tables.jobs.get(job_id)

    def get_job_and_root(self, job_id: str) -> tuple[Job, Root] | None:
        job = self.tables.jobs.get(job_id)
        return (job, self.get_root(job_id)) if job is not None else None

    def get_job_and_leaf(self, job_id: str, leaf: int) -> tuple[Job, Leaf | None] | None:
        job = self.tables.jobs.get(job_id)
        return (job, self.get_leaf(job_id, leaf)) if job is not None else None

    def get_jobs_and_roots(self, job_ids: Sequence[str]) -> list[tuple[Job, Root]]:
        found = (self.get_job_and_root(job_id) for job_id in job_ids)
        return [pair for pair in found if pair is not None]

    @write
    def update_job(self, job_id: str, guard: JobGuard, **changes: Unpack[JobChanges]) -> Job | None:
        job = self.tables.jobs.get(job_id)
        if job is None or not guard_holds(job, guard):
            return None
        applied: dict[str, Any] = {**changes}
        if "happened" in applied:
            applied["events"] = (*job.events, applied.pop("happened"))
        self.tables.jobs[job_id] = replace(job, **applied)
        return self.tables.jobs[job_id]

    def list_job_ids(
        self, tenant: str, state: JobState | None, limit: int, before: str | None
    ) -> list[str]:
        ids = sorted(
            (
                job.job_id
                for job in list(self.tables.jobs.values())
                if job.tenant == tenant
                and (state is None or job.state is state)
                and (before is None or job.job_id < before)
            ),
            reverse=True,
        )
        return ids[:limit]

    def list_unsent(self, tenant: str, first: int, last: int, limit: int) -> list[str]:
        found = [
            (-job.priority, job.job_id)
            for job in list(self.tables.jobs.values())
            if job.unsent_of == tenant and first <= job.priority <= last
        ]
        return [job_id for _, job_id in sorted(found)[:limit]]

    def list_due_jobs(self, now: datetime, limit: int) -> list[str]:
        due = [
            (job.next_check_at, job.job_id)
            for job in list(self.tables.jobs.values())
            if not job.state.final and job.next_check_at is not None and job.next_check_at <= now
        ]
        return [job_id for _, job_id in sorted(due)[:limit]]

    def get_root(self, job_id: str) -> Root:
        return self.tables.roots.get(job_id, Root())

    @write
    def push_node(
        self, job_id: str, node: int, packed: int, now: datetime, expires_at: datetime
    ) -> Root:
        root = self.get_root(job_id)
        if root.nodes.get(node, -1) < packed:
            nodes = {**root.nodes, node: packed}
            root = replace(root, nodes=nodes, pushed_at=now, pushes=root.pushes + 1)
            self.tables.roots[job_id] = root
        return root

    @write
    def set_running(
        self, job_id: str, first: int, retry: int, as_of: datetime, if_before: datetime
    ) -> bool:
        root = self.get_root(job_id)
        if root.running_as_of is not None and root.running_as_of >= if_before:
            return False
        self.tables.roots[job_id] = replace(
            root, running_first=first, running_retry=retry, running_as_of=as_of
        )
        return True

    # LEAF and NODE
    def create_leaves(self, job_id: str, leaves: Iterable[int], expires_at: datetime) -> None:
        for leaf in leaves:
            self.create_leaf(job_id, leaf)

    @write
    def create_leaf(self, job_id: str, leaf: int) -> None:
        """Put one leaf: a batch is not atomic."""
        self.tables.leaves.setdefault((job_id, leaf), Leaf())

    def get_leaf(self, job_id: str, leaf: int) -> Leaf | None:
        return self.tables.leaves.get((job_id, leaf))

    def get_node_leaves(self, job_id: str, node: int) -> dict[int, Leaf]:
        return {
            leaf: value
            for (job, leaf), value in sorted(self.tables.leaves.items())
            if job == job_id and node_of_leaf(leaf) == node
        }

    def _change_leaf(
        self, job_id: str, leaf: int, adds: Mapping[SetName, frozenset[int]], **changes: Any
    ) -> Leaf:
        old = self.tables.leaves.get((job_id, leaf), Leaf())
        sets: dict[str, Any] = {n: old.members(n) | offsets for n, offsets in adds.items()}
        new = replace(old, ver=old.ver + 1, **(sets | changes))
        self.tables.leaves[job_id, leaf] = new
        return new

    @write
    def add_to_leaf(
        self,
        job_id: str,
        leaf: int,
        gen: int,
        adds: Mapping[SetName, frozenset[int]],
        expires_at: datetime,
    ) -> Leaf | None:
        old = self.get_leaf(job_id, leaf)
        if (old is None and gen != 1) or (old is not None and (old.gen != gen or old.closed)):
            return None
        return self._change_leaf(job_id, leaf, adds, gen=gen)

    @write
    def reopen_leaf(
        self, job_id: str, leaf: int, gen: int, chosen: frozenset[int], expires_at: datetime
    ) -> Leaf | None:
        old = self.get_leaf(job_id, leaf)
        if old is None or old.gen >= gen or old.closed != "done":
            return None
        without = {
            "failed": old.failed - chosen,
            "cancelled": old.cancelled - chosen,
            "skipped": old.skipped - chosen,
        }
        return self._change_leaf(job_id, leaf, {"retry": chosen}, gen=gen, closed=None, **without)

    @write
    def begin_close(
        self, job_id: str, leaf: int, gen: int, expires_at: datetime, *, full: bool = False
    ) -> Leaf | None:
        old = self.get_leaf(job_id, leaf)
        if old is not None and (old.gen > gen or old.closed is not None):
            return None
        return self._change_leaf(job_id, leaf, {}, gen=gen, closed="done" if full else "closing")

    @write
    def end_close(
        self,
        job_id: str,
        leaf: int,
        gen: int,
        adds: Mapping[SetName, frozenset[int]],
        expires_at: datetime,
    ) -> Leaf | None:
        old = self.get_leaf(job_id, leaf)
        if old is None or old.closed != "closing" or old.gen != gen:
            return None
        return self._change_leaf(job_id, leaf, adds, closed="done")

    @write
    def stamp_leaf(self, job_id: str, leaf: int, gen: int, expires_at: datetime) -> Leaf | None:
        old = self.get_leaf(job_id, leaf)
        if old is None or old.closed is None or old.gen >= gen:
            return None
        return self._change_leaf(job_id, leaf, {}, gen=gen)

    def get_nodes(self, job_id: str, nodes: Sequence[int]) -> dict[int, Node]:
        keys = ((node, self.tables.nodes.get((job_id, node))) for node in nodes)
        return {node: value for node, value in keys if value is not None}

    @write
    def push_leaves(
        self, job_id: str, packed: Mapping[int, int], expires_at: datetime, calls: int = 0
    ) -> Node:
        key = (job_id, node_of_leaf(min(packed)))
        node = self.tables.nodes.get(key, Node())
        slots = {leaf % NODE_LEAVES: number for leaf, number in packed.items()}
        newer = {slot: n for slot, n in slots.items() if node.leaves.get(slot, -1) < n}
        if newer:
            writes = 1 if newer == slots else len(newer)
            leaves = {**node.leaves, **newer}
            node = Node(ver=node.ver + writes, leaves=leaves, calls=node.calls + calls)
            self.tables.nodes[key] = node
        return node

    # TASK
    def get_tasks(self, job_id: str, indexes: Sequence[int]) -> dict[int, TaskRow]:
        rows = ((index, self.tables.tasks.get((job_id, index))) for index in indexes)
        return {index: row for index, row in rows if row is not None}

    def get_leaf_tasks(self, job_id: str, leaf: int) -> dict[int, TaskRow]:
        return {
            index: row
            for (job, index), row in sorted(self.tables.tasks.items())
            if job == job_id and leaf_of(index) == leaf
        }

    def write_tasks(self, writes: Sequence[TaskWrite]) -> list[Refused | None]:
        return [self.write_task(write) for write in writes]

    @write
    def write_task(self, write: TaskWrite) -> Refused | None:
        """Write one row: each of a batch stands alone, and a crash may come between two."""
        key = (write.row.job_id, write.row.index)
        old = self.tables.tasks.get(key)
        if not expected(old, write.expect):
            return Refused(old)
        self.tables.tasks[key] = write.row
        return None

    @write
    def add_start(
        self, job_id: str, index: int, gen: int, attempt: int, key: str, expires_at: datetime
    ) -> TaskRow | None:
        row = self.tables.tasks.get((job_id, index))
        if row is None and gen == 1 and attempt == 1:
            row = TaskRow(
                job_id=job_id,
                index=index,
                state=TaskState.PENDING,
                gen=1,
                attempt=1,
                expires_at=expires_at,
            )
        if row is None or not expected(row, At(gen=gen, attempt=attempt)):
            return None
        row = replace(row, starts=row.starts | {key})
        self.tables.tasks[job_id, index] = row
        return row

    @write
    def refund_start(self, job_id: str, index: int, gen: int, attempt: int, key: str) -> None:
        row = self.tables.tasks.get((job_id, index))
        if row is not None and (row.gen, row.attempt) == (gen, attempt):
            self.tables.tasks[job_id, index] = replace(row, starts=row.starts - {key})

    # OUTBOX, GIVEN, IDEM
    def put_outbox(self, items: Sequence[Outbox]) -> None:
        for item in items:
            self.put_outbox_item(item)

    @write
    def put_outbox_item(self, item: Outbox) -> None:
        """Put one item: a batch is not atomic."""
        self.tables.outbox[outbox_key(item)] = item

    def delete_outbox(self, items: Sequence[Outbox]) -> None:
        for item in items:
            self.delete_outbox_item(item)

    @write
    def delete_outbox_item(self, item: Outbox) -> None:
        """Delete one item: a batch is not atomic."""
        self.tables.outbox.pop(outbox_key(item), None)

    def list_outbox(self, minute: int, limit: int) -> list[Outbox]:
        items = list(self.tables.outbox.items())
        return [item for key, item in items if key[0] == minute][:limit]

    def get_sweep_minute(self) -> int | None:
        return self.sweep_minute

    @write
    def put_sweep_minute(self, minute: int) -> None:
        self.sweep_minute = minute

    def get_given(self, message_ids: Sequence[str]) -> dict[str, frozenset[int]]:
        return {key: self.tables.given[key] for key in message_ids if key in self.tables.given}

    @write
    def add_given(self, message_id: str, given: frozenset[int], expires_at: datetime) -> None:
        if given:
            self.tables.given[message_id] = self.tables.given.get(message_id, frozenset()) | given

    @write
    def put_idem(self, idem: Idem) -> Idem:
        return self.tables.idems.setdefault(idem.key, idem)

    # keys
    @write
    def put_key(self, key: ApiKey) -> None:
        self.tables.keys[key.key_id] = key

    def get_key(self, key_id: str) -> ApiKey | None:
        return self.tables.keys.get(key_id)

    def list_keys(self) -> list[ApiKey]:
        return list(self.tables.keys.values())

    @write
    def delete_key(self, key_id: str) -> bool:
        return self.tables.keys.pop(key_id, None) is not None
