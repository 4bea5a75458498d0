"""LEAF and NODE."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import reduce
from itertools import batched
from operator import and_

from pynamodb.expressions.condition import Condition
from pynamodb.expressions.update import Action

from orchestrator.model.ids import NODE_LEAVES, node_of_leaf
from orchestrator.model.progress import Leaf, Node, SetName
from orchestrator.store.codec import leaf_key, leaf_value, node_key, node_value, number_set
from orchestrator.store.models import Connection, LeafRow, NodeRow, bind
from orchestrator.store.requests import absent, batch_get, execute, get_raw, put, query_raw, update

_PUSH_BATCH = 16
"""Leaves whose slots one write sets: a condition on each, far below DynamoDB's 300 operators and 4 KB."""


class ProgressStore:
    """The progress tree's items in the tasks table."""

    def __init__(self, connection: Connection, *, partiql: bool) -> None:
        self._leaf = bind(LeafRow, connection.tasks_table, connection)
        self._node = bind(NodeRow, connection.tasks_table, connection)
        self._partiql = partiql

    def create_leaves(self, job_id: str, leaves: Iterable[int], expires_at: datetime) -> None:
        """Put empty leaves of gen 1 where absent."""
        rows = [
            self._leaf(*leaf_key(job_id, leaf), gen=1, ver=0, expires_at=expires_at)
            for leaf in leaves
        ]
        if not self._partiql:
            for row in rows:
                put(row, absent(self._leaf))
            return
        table = self._leaf.Meta.table_name
        fields = ("pk", "sk", "gen", "ver", "expires_at")
        values = ", ".join(f"'{name}': ?" for name in fields)
        execute(
            self._leaf,
            [
                {
                    "Statement": f'INSERT INTO "{table}" VALUE {{{values}}}',
                    "Parameters": [item[name] for name in fields],
                }
                for item in (row.serialize() for row in rows)
            ],
        )

    def get_leaf(self, job_id: str, leaf: int) -> Leaf | None:
        """Read one leaf."""
        raw = get_raw(self._leaf, *leaf_key(job_id, leaf))
        return leaf_value(raw) if raw is not None else None

    def get_node_leaves(self, job_id: str, node: int) -> dict[int, Leaf]:
        """Read the leaves of a node by one query."""
        pk, _ = leaf_key(job_id, node * NODE_LEAVES)
        raws = query_raw(self._leaf, pk)
        return {int(raw["sk"]["S"]): leaf_value(raw) for raw in raws}

    def _update(
        self,
        job_id: str,
        leaf: int,
        actions: list[Action],
        condition: Condition,
        expires_at: datetime,
    ) -> Leaf | None:
        model = self._leaf
        every = [model.ver.add(1), model.expires_at.set(expires_at)]
        done, item = update(model(*leaf_key(job_id, leaf)), [*actions, *every], condition)
        return leaf_value(item) if done and item is not None else None

    def _adds(self, adds: Mapping[SetName, frozenset[int]]) -> list[Action]:
        return [getattr(self._leaf, n).add(number_set(v)) for n, v in adds.items() if v]

    def add_to_leaf(
        self,
        job_id: str,
        leaf: int,
        gen: int,
        adds: Mapping[SetName, frozenset[int]],
        expires_at: datetime,
    ) -> Leaf | None:
        """ADD offsets to an open leaf of this generation."""
        model = self._leaf
        mine = model.gen == gen
        if gen == 1:
            mine = mine | model.pk.does_not_exist()
        actions = [*self._adds(adds), model.gen.set(gen)]
        return self._update(job_id, leaf, actions, mine & model.closed.does_not_exist(), expires_at)

    def reopen_leaf(
        self, job_id: str, leaf: int, gen: int, chosen: frozenset[int], expires_at: datetime
    ) -> Leaf | None:
        """Move chosen offsets from their final sets into retry and open the leaf for `gen`."""
        model, offsets = self._leaf, number_set(chosen)
        actions: list[Action] = [model.closed.remove(), model.gen.set(gen)]
        if chosen:
            actions += [
                model.failed.delete(offsets),
                model.cancelled.delete(offsets),
                model.skipped.delete(offsets),
                model.retry.add(offsets),
            ]
        return self._update(
            job_id, leaf, actions, (model.gen < gen) & (model.closed == "done"), expires_at
        )

    def begin_close(
        self, job_id: str, leaf: int, gen: int, expires_at: datetime, *, full: bool = False
    ) -> Leaf | None:
        """Set closed = closing (`full`: done) and gen on an open leaf."""
        model, closed = self._leaf, "done" if full else "closing"
        actions: list[Action] = [model.closed.set(closed), model.gen.set(gen)]
        mine = model.pk.does_not_exist() | (model.gen <= gen)
        return self._update(job_id, leaf, actions, mine & model.closed.does_not_exist(), expires_at)

    def end_close(
        self,
        job_id: str,
        leaf: int,
        gen: int,
        adds: Mapping[SetName, frozenset[int]],
        expires_at: datetime,
    ) -> Leaf | None:
        """ADD the last offsets and set closed = done."""
        model = self._leaf
        actions = [*self._adds(adds), model.closed.set("done")]
        return self._update(
            job_id, leaf, actions, (model.closed == "closing") & (model.gen == gen), expires_at
        )

    def stamp_leaf(self, job_id: str, leaf: int, gen: int, expires_at: datetime) -> Leaf | None:
        """Set gen on a closed leaf of an older one."""
        model = self._leaf
        condition = model.closed.exists() & (model.gen < gen)
        return self._update(job_id, leaf, [model.gen.set(gen)], condition, expires_at)

    def get_nodes(self, job_id: str, nodes: Sequence[int]) -> dict[int, Node]:
        """Read the nodes that exist."""
        keys = [node_key(job_id, node) for node in nodes]
        return {int(raw["sk"]["S"]): node_value(raw) for raw in batch_get(self._node, keys)}

    def push_leaves(
        self, job_id: str, packed: Mapping[int, int], expires_at: datetime, calls: int = 0
    ) -> Node:
        """Set the leaves' slots where absent or smaller: together, or one by one where any is newer."""
        node = Node()
        for leaves in batched(packed.items(), _PUSH_BATCH, strict=False):
            done, node = self._push(job_id, leaves, expires_at, calls)
            if not done and len(leaves) > 1:
                for leaf in leaves:
                    counted, node = self._push(job_id, (leaf,), expires_at, calls)
                    calls = 0 if counted else calls
            calls = 0 if done else calls
        return node

    def _push(
        self, job_id: str, leaves: Sequence[tuple[int, int]], expires_at: datetime, calls: int
    ) -> tuple[bool, Node]:
        """Set slots by one write, if each is absent or smaller; tell whether, and NODE as it then stands."""
        model = self._node
        slots = [(getattr(model, f"l{leaf % NODE_LEAVES:02d}"), number) for leaf, number in leaves]
        newer = [slot.does_not_exist() | (slot < number) for slot, number in slots]
        done, item = update(
            model(*node_key(job_id, node_of_leaf(leaves[0][0]))),
            [
                *(slot.set(number) for slot, number in slots),
                model.ver.add(1),
                model.expires_at.set(expires_at),
                *([model.calls.add(calls)] if calls else []),
            ],
            reduce(and_, newer),
        )
        return done, node_value(item) if item is not None else Node()
