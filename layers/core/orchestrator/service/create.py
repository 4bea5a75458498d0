"""CreateTasks: open the leaves of one node; after a retry, reopen its chosen tasks: rows, then leaves."""

from __future__ import annotations

from dataclasses import replace

from orchestrator.model.ids import leaf_of, leaves_of_node, offset_of
from orchestrator.model.items import HISTORY_MAX, AttemptEnd, Job, Older, TaskRow, TaskWrite
from orchestrator.model.progress import Leaf
from orchestrator.model.states import JobState, TaskState
from orchestrator.service.commit import expiry, put_leaves_in_node, put_node_in_root
from orchestrator.service.plan import current_job
from orchestrator.service.ports import Deps
from orchestrator.service.selection import Chosen


def create_tasks(deps: Deps, job_id: str, gen: int, exec: int, node: int) -> dict[str, int]:
    """Open one node's leaves; does nothing under STOPPING. Raises Superseded."""
    job = current_job(deps, job_id, gen)
    if job.state is not JobState.STOPPING:
        if job.reopen_ref is None:
            assert job.total is not None
            deps.store.create_leaves(job_id, leaves_of_node(node, job.total), expiry(deps))
        else:
            _reopen(deps, job, node, Chosen(deps, job.reopen_ref).of_node(node))
    deps.journal.event(
        "node.created", job_id=job_id, tenant=job.tenant, gen=gen, exec=exec, node=node
    )
    return {"node": node}


def _reopen(deps: Deps, job: Job, node: int, chosen: list[int]) -> None:
    """Rows first: a leaf that is open admits reports, and their rows must be of this generation then."""
    rows = deps.store.get_tasks(job.job_id, chosen)
    stale = [index for index in chosen if index not in rows or rows[index].gen < job.gen]
    writes = [_reopened(deps, job, index, rows.get(index)) for index in stale]
    deps.store.write_tasks(writes)
    by_leaf: dict[int, set[int]] = {}
    for index in chosen:
        by_leaf.setdefault(leaf_of(index), set()).add(offset_of(index))
    leaves: dict[int, Leaf] = {}
    for number, offsets in by_leaf.items():
        leaf = deps.store.reopen_leaf(
            job.job_id, number, job.gen, frozenset(offsets), expiry(deps)
        ) or deps.store.get_leaf(job.job_id, number)
        if leaf is not None:
            leaves[number] = leaf
    if leaves:
        put_node_in_root(deps, job, node, put_leaves_in_node(deps, job, leaves))


def _reopened(deps: Deps, job: Job, index: int, row: TaskRow | None) -> TaskWrite:
    """Return the write that gives a task a new attempt: 2 where it never ran, with fresh budgets."""
    fresh = TaskRow(
        job_id=job.job_id,
        index=index,
        state=TaskState.PENDING,
        gen=job.gen,
        attempt=row.attempt + 1 if row is not None else 2,
        expires_at=expiry(deps),
        history=past_attempts(row),
    )
    return TaskWrite(row=fresh, expect=Older(gen=job.gen))


def past_attempts(row: TaskRow | None) -> tuple[AttemptEnd, ...]:
    """Return the ended attempts of a row, newest last, bounded and without tracebacks."""
    if row is None or row.last is None:
        return row.history if row is not None else ()
    last = row.last
    if last.error is not None:
        last = replace(last, error=last.error.model_copy(update={"traceback": None}))
    return (*row.history, last)[-HISTORY_MAX:]
