"""TASK: rows by batch, each on its own condition."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from pynamodb.expressions.condition import Condition

from orchestrator.model.ids import LEAF_SIZE, leaf_of
from orchestrator.model.items import Absent, At, Older, TaskRow, TaskWrite
from orchestrator.model.states import TaskState
from orchestrator.service.ports import Refused
from orchestrator.store.codec import RawItem, task_key, task_raw, task_value
from orchestrator.store.models import Connection, TaskItem, bind
from orchestrator.store.requests import absent, batch_get, execute, put, query_raw, update

_OPEN_STATES = (TaskState.PENDING.value, TaskState.RETRYING.value)
_FIELDS = tuple(
    attribute.attr_name
    for attribute in TaskItem.get_attributes().values()
    if attribute.attr_name not in ("pk", "sk")
)
_ROUNDS = 5
_QUERY_FROM = 10
_Statement = Callable[[TaskWrite], dict[str, Any]]


class TasksStore:
    """Task rows."""

    def __init__(self, connection: Connection, *, partiql: bool) -> None:
        self._task = bind(TaskItem, connection.tasks_table, connection)
        self._table = connection.tasks_table
        self._partiql = partiql

    def get_tasks(self, job_id: str, indexes: Sequence[int]) -> dict[int, TaskRow]:
        """Read the rows that exist: a leaf's by query where they lie close together, else by key.

        A query of neighbours is a tenth of the request's bytes and a quarter of the read units.
        """
        leaves: dict[int, list[int]] = {}
        for index in indexes:
            leaves.setdefault(leaf_of(index), []).append(index)
        dense = {leaf: members for leaf, members in leaves.items() if _is_dense(members)}
        wanted = set(indexes)
        sparse = [index for index in indexes if leaf_of(index) not in dense]
        raws = batch_get(self._task, [task_key(job_id, index) for index in sparse])
        for members in dense.values():
            (pk, first), (_, last) = (
                task_key(job_id, index) for index in (min(members), max(members))
            )
            raws.extend(query_raw(self._task, pk, (first, last)))
        return {row.index: row for row in map(task_value, raws) if row.index in wanted}

    def get_leaf_tasks(self, job_id: str, leaf: int) -> dict[int, TaskRow]:
        """Read all rows of a leaf by one query."""
        pk, _ = task_key(job_id, leaf * LEAF_SIZE)
        return {row.index: row for row in map(task_value, query_raw(self._task, pk))}

    def write_tasks(self, writes: Sequence[TaskWrite]) -> list[Refused | None]:
        """Write rows, each on its own condition."""
        if not self._partiql:
            return [self._write_one(write) for write in writes]
        answers: list[Refused | None] = [None] * len(writes)
        inserts = [n for n, write in enumerate(writes) if isinstance(write.expect, Absent)]
        updates = [n for n, write in enumerate(writes) if not isinstance(write.expect, Absent)]
        for _ in range(_ROUNDS):
            self._run(writes, updates, self._update_statement, answers)
            vanished = [
                number
                for number in updates
                if isinstance(writes[number].expect, Older) and answers[number] == Refused(None)
            ]
            self._run(writes, [*inserts, *vanished], self._insert_statement, answers)
            self._read_refused(writes, answers)
            inserts = []
            updates = [n for n in vanished if _holds_now(writes[n].expect, answers[n])]
            if not updates:
                return answers
        raise RuntimeError(f"{len(updates)} rows came and went in each of {_ROUNDS} rounds")

    def _write_one(self, write: TaskWrite) -> Refused | None:
        done, item = put(self._task.from_raw_data(task_raw(write.row)), self._condition(write))
        return None if done else self._refused(item)

    def _refused(self, item: RawItem | None) -> Refused:
        return Refused(task_value(item) if item is not None else None)

    def _condition(self, write: TaskWrite) -> Condition:
        model, expect = self._task, write.expect
        if isinstance(expect, Absent):
            return absent(model)
        if isinstance(expect, At):
            return self._at(expect)
        older: Condition = absent(model) | (model.gen < expect.gen)
        return older

    def _at(self, expect: At) -> Condition:
        model = self._task
        same = (model.gen == expect.gen) & (model.attempt == expect.attempt)
        condition: Condition = same & model.state.is_in(*_OPEN_STATES)
        return condition

    def _run(
        self,
        writes: Sequence[TaskWrite],
        numbers: Sequence[int],
        statement: _Statement,
        answers: list[Refused | None],
    ) -> None:
        """Run one statement for each of `numbers` and note what was refused."""
        results = execute(self._task, [statement(writes[number]) for number in numbers])
        for number, (code, item) in zip(numbers, results, strict=True):
            answers[number] = None if code is None else self._refused(item)

    def _read_refused(self, writes: Sequence[TaskWrite], answers: list[Refused | None]) -> None:
        """Read the rows that refused an insert: DynamoDB does not show them."""
        numbers = [number for number, answer in enumerate(answers) if answer == Refused(None)]
        keys = [task_key(writes[n].row.job_id, writes[n].row.index) for n in numbers]
        found = {
            (row.job_id, row.index): row for row in map(task_value, batch_get(self._task, keys))
        }
        for number in numbers:
            row = writes[number].row
            answers[number] = Refused(found.get((row.job_id, row.index)))

    def _insert_statement(self, write: TaskWrite) -> dict[str, Any]:
        item = task_raw(write.row)
        values = ", ".join(f"'{name}': ?" for name in item)
        return {
            "Statement": f'INSERT INTO "{self._table}" VALUE {{{values}}}',
            "Parameters": list(item.values()),
        }

    def _update_statement(self, write: TaskWrite) -> dict[str, Any]:
        item = task_raw(write.row)
        present = [name for name in _FIELDS if name in item]
        sets = " ".join(f'SET "{name}" = ?' for name in present)
        removes = " ".join(f'REMOVE "{name}"' for name in _FIELDS if name not in item)
        where, values = self._where(write)
        return {
            "Statement": f'UPDATE "{self._table}" {sets} {removes} WHERE {where}',
            "Parameters": [*(item[name] for name in present), item["pk"], item["sk"], *values],
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        }

    def _where(self, write: TaskWrite) -> tuple[str, list[dict[str, str]]]:
        expect = write.expect
        if isinstance(expect, At):
            where = '"pk" = ? AND "sk" = ? AND "g" = ? AND "a" = ? AND "s" IN [?, ?]'
            states = [{"S": state} for state in _OPEN_STATES]
            return where, [{"N": str(expect.gen)}, {"N": str(expect.attempt)}, *states]
        assert not isinstance(expect, Absent)
        return '"pk" = ? AND "sk" = ? AND "g" < ?', [{"N": str(expect.gen)}]

    def add_start(
        self, job_id: str, index: int, gen: int, attempt: int, key: str, expires_at: datetime
    ) -> TaskRow | None:
        """ADD a start to an open row of this attempt; make the first one."""
        model = self._task
        matches = self._at(At(gen=gen, attempt=attempt))
        if gen == 1 and attempt == 1:
            matches = matches | model.pk.does_not_exist()
        pending = TaskState.PENDING.value
        done, item = update(
            model(*task_key(job_id, index)),
            [
                model.starts.add({key}),
                model.state.set(model.state | pending),
                model.gen.set(gen),
                model.attempt.set(attempt),
                model.expires_at.set(expires_at),
            ],
            matches,
        )
        return task_value(item) if done and item is not None else None

    def refund_start(self, job_id: str, index: int, gen: int, attempt: int, key: str) -> None:
        """DELETE a start."""
        model = self._task
        update(
            model(*task_key(job_id, index)),
            [model.starts.delete({key})],
            (model.gen == gen) & (model.attempt == attempt),
        )


def _is_dense(indexes: Sequence[int]) -> bool:
    return len(indexes) >= _QUERY_FROM and max(indexes) - min(indexes) < 2 * len(indexes)


def _holds_now(expect: Absent | At | Older, answer: Refused | None) -> bool:
    """Tell whether a refused row does stand as expected: it came between the update and the insert."""
    if not isinstance(expect, Older) or answer is None:
        return False
    return answer.row is None or answer.row.gen < expect.gen
