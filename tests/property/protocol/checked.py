"""A store that checks each write against what no write may do, and a way to stop between requests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Unpack, cast

from orchestrator.model.ids import leaf_of, node_of_leaf
from orchestrator.model.items import Job, TaskRow, TaskWrite
from orchestrator.model.progress import FINAL_SETS, Leaf, Node, Root, pack_leaf, pack_node
from orchestrator.model.states import JOB_TRANSITIONS, StopReason, TaskState
from orchestrator.service.ports import JobChanges, JobGuard, Refused, Store
from tests.fakes.store import MemoryStore
from tests.property.protocol.calls import gate

_ENDED = (TaskState.SUCCEEDED, TaskState.FAILED)
_UPDATE_JOB = cast(Any, MemoryStore.update_job).__wrapped__
_WRITE_TASK = cast(Any, MemoryStore.write_task).__wrapped__
"""The writes without the hooks around them."""


class CheckedStore(MemoryStore):
    """Notes in `violations` what a write broke: some callers swallow errors, so none is raised here."""

    def __init__(self) -> None:
        super().__init__(before_write=gate)
        self.violations: list[str] = []
        self.commits: dict[tuple[str, int, int], tuple[str, str]] = {}
        self.starts: dict[int, set[str]] = {}
        self.stops: set[StopReason] = set()
        self.finals: dict[tuple[str, int], int] = {}
        self._leaf_counts: dict[tuple[str, int, int], int] = {}
        self._node_counts: set[tuple[str, int, int]] = set()

    def hold(self, holds: bool, broken: str, *values: object) -> None:
        """Note a rule that does not hold; `values` say what it was about."""
        if not holds:
            self.violations.append(" ".join([broken, *map(str, values)]))

    def update_job(self, job_id: str, guard: JobGuard, **changes: Unpack[JobChanges]) -> Job | None:
        gate("update_job")
        with self.lock:  # What stood before is known only behind the gate.
            old = self.tables.jobs.get(job_id)
            new: Job | None = _UPDATE_JOB(self, job_id, guard, **changes)
        if old is not None and new is not None:
            self._check_job(old, new)
        return new

    def _check_job(self, old: Job, new: Job) -> None:
        self.stops |= {new.stop.reason} if new.stop else set()
        exits = JOB_TRANSITIONS[old.state].values()
        self.hold(
            old.state is new.state or new.state in exits,
            "JOB changed its state:",
            old.state,
            new.state,
        )
        self.hold(new.gen in (old.gen, old.gen + 1), "gen jumped", old.gen, new.gen)
        if old.gen == new.gen:
            self.hold(not old.state.final, "a final JOB was written")
            self.hold(new.cursor >= old.cursor, "the cursor went back")
            self.hold(new.exec >= old.exec, "exec went back")
            self.hold(old.stop in (None, new.stop), "a stop was overwritten")
        if new.state.final:
            key = (new.job_id, new.gen)
            self.finals[key] = self.finals.get(key, 0) + 1
            self.hold(self.finals[key] == 1, "a generation ended twice")

    def write_task(self, write: TaskWrite) -> Refused | None:
        key = (write.row.job_id, write.row.index)
        gate("write_task")
        with self.lock:
            old = self.tables.tasks.get(key)
            answer: Refused | None = _WRITE_TASK(self, write)
        if answer is None:
            self._check_row(old, write.row)
        return answer

    def add_start(
        self, job_id: str, index: int, gen: int, attempt: int, key: str, expires_at: Any
    ) -> TaskRow | None:
        row = super().add_start(job_id, index, gen, attempt, key, expires_at)
        if row is not None:
            self.starts.setdefault(index, set()).add(key)
        return row

    def _check_row(self, old: TaskRow | None, new: TaskRow) -> None:
        if old is not None:
            older = (old.gen, old.attempt)
            self.hold(older <= (new.gen, new.attempt), "a row went back", old, new)
            self.hold(old.attempt <= new.attempt, "a row lost attempts", old, new)
            same = old.gen == new.gen
            self.hold(not (same and old.state in _ENDED), "a committed result changed", old, new)
        if new.last is not None:
            end = (new.last.run_id, new.last.outcome.value)
            first = self.commits.setdefault((new.job_id, new.index, new.last.attempt), end)
            self.hold(first == end, "an attempt was committed twice", first, new)

    def _change_leaf(self, job_id: str, leaf: int, adds: Any, **changes: Any) -> Leaf:
        old = self.tables.leaves.get((job_id, leaf), Leaf())
        new = super()._change_leaf(job_id, leaf, adds, **changes)
        self._leaf_counts[job_id, leaf, new.ver] = pack_leaf(new.packed())
        sizes = sum(len(new.members(name)) for name in FINAL_SETS)
        self.hold(sizes == len(new.finals), "final sets overlap", new)
        self.hold(new.ok >= old.ok, "a task left ok", old, new)
        self.hold(new.gen >= old.gen, "the gen of a leaf went back", old, new)
        if old.closed == "done" and new.closed == "done":
            self.hold(new.packed().tally == old.packed().tally, "a closed leaf changed", old, new)
        if old.gen == new.gen or old.closed is None:
            kept = all(new.members(name) >= old.members(name) for name in FINAL_SETS)
            self.hold(kept, "a task left its final set", old, new)
            self.hold(
                not (old.closed and not new.closed), "a leaf opened again in its gen", old, new
            )
        return new

    def push_leaves(
        self, job_id: str, packed: Mapping[int, int], expires_at: Any, calls: int = 0
    ) -> Node:
        for leaf, count in packed.items():
            known = self._leaf_counts.get((job_id, leaf, count // 10**15))
            truth = known if known is not None else pack_leaf(Leaf().packed())
            self.hold(count == truth, "a node was told of a leaf what never was so", count, leaf)
        node = super().push_leaves(job_id, packed, expires_at, calls)
        self._node_counts.add((job_id, node_of_leaf(min(packed)), pack_node(node.packed())))
        return node

    def push_node(self, job_id: str, node: int, packed: int, now: Any, expires_at: Any) -> Root:
        known = (job_id, node, packed) in self._node_counts
        self.hold(known, "ROOT was told of a node what never was so", packed, node)
        return super().push_node(job_id, node, packed, now, expires_at)


class _Stepped:
    """A gate before each request. Writes have theirs in the store itself, one for each item of a batch."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._store, name)
        if not name.startswith(("get_", "list_")):
            return method

        def read(*args: Any, **kwargs: Any) -> Any:
            gate(name)
            return method(*args, **kwargs)

        return read

    def get_tasks(self, job_id: str, indexes: Sequence[int]) -> dict[int, TaskRow]:
        """Read rows one after the other: neither a batch nor a query is a snapshot."""
        rows: dict[int, TaskRow] = {}
        for index in indexes:
            gate("get_tasks")
            rows |= self._store.get_tasks(job_id, [index])
        return rows

    def get_leaf_tasks(self, job_id: str, leaf: int) -> dict[int, TaskRow]:
        """As `get_tasks`; a row that is written during the query may be in the answer or not."""
        first = next(i for i in range(10**6) if leaf_of(i) == leaf)
        last = next(i for i in range(first, 10**6) if leaf_of(i) != leaf)
        return self.get_tasks(job_id, range(first, last))

    def get_node_leaves(self, job_id: str, node: int) -> dict[int, Leaf]:
        """Read leaves one after the other."""
        leaves: dict[int, Leaf] = {}
        for leaf in list(self._store.get_node_leaves(job_id, node)):
            gate("get_node_leaves")
            leaves[leaf] = self._store.get_node_leaves(job_id, node)[leaf]
        return leaves


def stepped(store: MemoryStore) -> Store:
    """Return the store with a gate before each of its requests."""
    return cast(Store, _Stepped(store))
