"""Which tasks a retry asks for: down the tree to the leaves that hold some, rows only where errors matter."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import timedelta

from orchestrator.errors import FieldError, InvalidField
from orchestrator.model.ids import LEAF_SIZE, leaf_of, node_of, nodes_of, offset_of
from orchestrator.model.items import Job, TaskRow
from orchestrator.model.progress import Root, SetName
from orchestrator.service.ports import Deps
from orchestrator.spec import RetryJobIn

FAILED: tuple[SetName, ...] = ("failed",)
NOT_SUCCEEDED: tuple[SetName, ...] = ("failed", "cancelled", "skipped")
ERROR_SEARCH_MAX = 25_000
"""FAILED tasks that a retry by error type may look through: 0.12 ms of CPU each; 512 MB have a third of one."""
ERROR_SEARCH_TIME = timedelta(seconds=15)
"""The rest of the request's 29 s is for the selection, which is written afterwards."""
_MANY_ROWS = 125
"""From so many rows of a leaf on, one query for all of them is cheaper than their share of a batch."""
_BATCH = 100


def choose_tasks(deps: Deps, job: Job, root: Root, body: RetryJobIn) -> list[int]:
    """Return the ascending indexes of what a retry asks for; SUCCEEDED tasks are never among them.

    Raises InvalidField: an index that is no task, too many FAILED tasks to search by error type.
    """
    if body.indexes is not None:
        return _listed(deps, job, body.indexes)
    if body.error_types is not None:
        return _with_errors(deps, job, root, frozenset(body.error_types))
    sets = FAILED if body.tasks == "failed" else NOT_SUCCEEDED
    return [index for leaf in _in_sets(deps, job, root, sets) for index in leaf]


def _listed(deps: Deps, job: Job, asked: Sequence[int]) -> list[int]:
    total = job.total or 0
    for position, index in enumerate(asked):
        if index >= total:
            rule = f"must be below {total}, the number of tasks"
            field = FieldError(f"indexes[{position}]", rule, str(index))
            raise InvalidField(f"{field.field} {rule}", fields=[field])
    leaves = {
        number: leaf
        for node in sorted({node_of(index) for index in asked})
        for number, leaf in deps.store.get_node_leaves(job.job_id, node).items()
    }
    return [
        index
        for index in sorted(set(asked))
        if (leaf := leaves.get(leaf_of(index))) is not None
        and any(offset_of(index) in leaf.members(name) for name in NOT_SUCCEEDED)
    ]


def _in_sets(deps: Deps, job: Job, root: Root, sets: Collection[SetName]) -> Iterator[list[int]]:
    """Yield, leaf by leaf, the tasks that are in one of the sets; nodes without any are not read."""
    for node in nodes_of(job.total or 0):
        tally = root.node_tally(node)
        if not any(getattr(tally, name) for name in sets):
            continue
        for number, leaf in sorted(deps.store.get_node_leaves(job.job_id, node).items()):
            offsets = frozenset[int]().union(*(leaf.members(name) for name in sets))
            if offsets:
                yield [number * LEAF_SIZE + offset for offset in sorted(offsets)]


def _with_errors(deps: Deps, job: Job, root: Root, types: Collection[str]) -> list[int]:
    failed, until = root.tally().failed, deps.now() + ERROR_SEARCH_TIME
    if failed > ERROR_SEARCH_MAX:
        raise _too_many(failed)
    found: list[int] = []
    for rows in _failed_rows(deps, job, _in_sets(deps, job, root, FAILED)):
        found += [index for index, row in rows.items() if _last_error(row) in types]
        if deps.now() > until:
            raise _too_many(failed)
    return sorted(found)


def _failed_rows(
    deps: Deps, job: Job, leaves: Iterable[list[int]]
) -> Iterator[Mapping[int, TaskRow]]:
    """Yield the rows: of a leaf with many by one query, of others by batches across leaves."""
    waiting: list[int] = []
    for indexes in leaves:
        if len(indexes) >= _MANY_ROWS:
            rows = deps.store.get_leaf_tasks(job.job_id, leaf_of(indexes[0]))
            yield {index: rows[index] for index in indexes if index in rows}
            continue
        waiting += indexes
        while len(waiting) >= _BATCH:
            yield deps.store.get_tasks(job.job_id, waiting[:_BATCH])
            waiting = waiting[_BATCH:]
    if waiting:
        yield deps.store.get_tasks(job.job_id, waiting)


def _last_error(row: TaskRow) -> str | None:
    """Return the type of the newest error; a retry that was stopped early has moved it to the history."""
    ends = [*row.history, *([row.last] if row.last is not None else [])]
    return ends[-1].error.type if ends and ends[-1].error is not None else None


def _too_many(failed: int) -> InvalidField:
    rule = f"can be searched for in a request where at most {ERROR_SEARCH_MAX} tasks are FAILED"
    return InvalidField(
        f"error_types {rule}; here they are {failed}, or the answer took too long",
        action='Send {"tasks": "failed"} to retry all of them, or list up to 10,000 indexes.',
        fields=[FieldError("error_types", rule, str(failed))],
    )
