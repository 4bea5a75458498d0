"""FinishJob: close every leaf, write the results, set the job's last state."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from pydantic import BaseModel, ConfigDict

from orchestrator.errors import NotComplete
from orchestrator.model.ids import (
    NODE_SIZE,
    leaf_of,
    leaf_range,
    leaves_of_node,
    nodes_of,
    offset_of,
)
from orchestrator.model.items import Job, TaskRow, Usage
from orchestrator.model.progress import Counts, Leaf, SetName, counts_of
from orchestrator.model.series import bucket_of
from orchestrator.model.states import (
    ACTIVE_JOB_STATES,
    JobEvent,
    JobState,
    StopReason,
    TaskState,
    state_after,
)
from orchestrator.model.timeline import TimelineEvent, TimelineKind
from orchestrator.policy import Policy, how_it_ends
from orchestrator.service.commit import (
    expiry,
    put_leaves_in_node,
    put_node_in_root,
    put_point,
    stop_job,
)
from orchestrator.service.plan import current_job
from orchestrator.service.ports import Deps, JobGuard
from orchestrator.service.results import write_node_results

STOP_GRACE = timedelta(seconds=30)
"""How long a stopped job waits for handlers that were told to stop."""


class PartEntry(BaseModel):
    """One part in the manifest."""

    model_config = ConfigDict(frozen=True, defer_build=True)

    key: str
    first_index: int
    lines: int
    bytes: int
    sha256: str
    attempts: int = 0
    worker_ms: int = 0


class Manifest(BaseModel):
    """What the results consist of: JSONL parts ordered by index, their sizes and checksums."""

    model_config = ConfigDict(frozen=True, defer_build=True)

    job_id: str
    gen: int
    lines: int
    bytes: int
    counts: dict[str, int]
    parts: list[PartEntry]

    def counts_value(self) -> Counts:
        """Return the counts as a value."""
        return Counts(**self.counts)


def drained(deps: Deps, job_id: str, gen: int) -> dict[str, bool]:
    """Tell whether a stopped job's handlers have ended, or had their grace. Raises Superseded."""
    job = current_job(deps, job_id, gen)
    overdue = job.stop is None or deps.now() - job.stop.at >= STOP_GRACE
    return {"drained": overdue or not deps.store.list_running(job_id, deps.now())}


def stop_orchestration(deps: Deps, job_id: str, gen: int) -> None:
    """Stop a job whose machine failed; one that is stopping or has moved on is left as it is."""
    stop_job(deps, job_id, gen, StopReason.ORCHESTRATION, "machine")


def list_nodes(deps: Deps, job_id: str, gen: int) -> dict[str, Sequence[int]]:
    """Return all nodes of a job. Raises Superseded."""
    job = current_job(deps, job_id, gen)
    return {"nodes": list(nodes_of(job.total or 0))}


def finish_node(deps: Deps, job_id: str, gen: int, node: int) -> dict[str, Any]:
    """Close each leaf of a node, push the counts, write the results. Raises Superseded, NotComplete."""
    job = current_job(deps, job_id, gen)
    total = job.total or 0
    found = deps.store.get_node_leaves(job_id, node)
    leaves: dict[int, Leaf] = {}
    rows: dict[int, TaskRow] = {}
    for number in leaves_of_node(node, total):
        leaves[number], members = _close_leaf(deps, job, number, found.get(number) or Leaf())
        rows |= members
    if leaves:
        put_node_in_root(deps, job, node, put_leaves_in_node(deps, job, leaves))
    states = {
        index: leaves[leaf_of(index)].state(offset_of(index))
        for index in range(node * NODE_SIZE, min((node + 1) * NODE_SIZE, total))
    }
    part = write_node_results(deps, job, node, states, rows) | used_by(rows.values())
    deps.journal.event(
        "node.finished", job_id=job_id, tenant=job.tenant, gen=gen, node=node, lines=part["lines"]
    )
    return part


def used_by(rows: Iterable[TaskRow]) -> dict[str, int]:
    """Sum up the attempts that rows tell of, and their time."""
    ends = [end for row in rows for end in (*row.history, row.last) if end is not None]
    return {"attempts": len(ends), "worker_ms": sum(end.duration_ms for end in ends)}


def _close_leaf(
    deps: Deps, job: Job, number: int, leaf: Leaf
) -> tuple[Leaf, Mapping[int, TaskRow]]:
    """Close a leaf; return it and its rows. From `closing` on no report enters, so rows can be counted.

    Where all its tasks have ended there is nothing to count: one write closes it.
    """
    if leaf.closed == "done":
        if leaf.gen < job.gen:
            stamped = deps.store.stamp_leaf(job.job_id, number, job.gen, expiry(deps))
            leaf = stamped or _read_leaf(deps, job, number)
        return leaf, deps.store.get_leaf_tasks(job.job_id, number)
    full = len(leaf.finals) == len(leaf_range(number, job.total or 0))
    if job.state is not JobState.STOPPING and not full:
        raise NotComplete(f"leaf {number} of {job.job_id} has open tasks")
    begun = deps.store.begin_close(job.job_id, number, job.gen, expiry(deps), full=full)
    closing = begun or _read_leaf(deps, job, number)
    rows = deps.store.get_leaf_tasks(job.job_id, number)
    if closing.closed == "done":
        return closing, rows
    adds = _last_adds(job, number, closing, rows)
    done = deps.store.end_close(job.job_id, number, job.gen, adds, expiry(deps))
    return done or _read_leaf(deps, job, number), rows


def _read_leaf(deps: Deps, job: Job, number: int) -> Leaf:
    leaf = deps.store.get_leaf(job.job_id, number)
    if leaf is None or leaf.gen < job.gen:
        raise NotComplete(f"leaf {number} of {job.job_id} is being closed by another execution")
    return leaf


def _last_adds(
    job: Job, number: int, leaf: Leaf, rows: Mapping[int, TaskRow]
) -> Mapping[SetName, frozenset[int]]:
    """Return where each open task goes: committed rows of this generation count, the rest is ended."""
    cancel = job.stop is not None and job.stop.reason is StopReason.CANCEL
    ended: SetName = "cancelled" if cancel else "skipped"
    adds: dict[SetName, set[int]] = {}
    for index in leaf_range(number, job.total or 0):
        if offset_of(index) in leaf.finals:
            continue
        row = rows.get(index)
        own = row is not None and row.gen == leaf.gen
        if own and row is not None and row.state is TaskState.SUCCEEDED:
            name: SetName = "ok"
        elif own and row is not None and row.state is TaskState.FAILED:
            name = "failed"
        else:
            name = ended
        adds.setdefault(name, set()).add(offset_of(index))
    return {name: frozenset(members) for name, members in adds.items()}


def finish_last(
    deps: Deps, job_id: str, gen: int, parts: Iterable[Mapping[str, Any]]
) -> dict[str, str]:
    """Write the manifest and the job's last state; return it. Raises Superseded, NotComplete."""
    job = current_job(deps, job_id, gen)
    root = deps.store.get_root(job_id)
    tally, total = root.tally(), job.total or 0
    entries = sorted(
        (PartEntry.model_validate(part) for part in parts), key=lambda part: part.first_index
    )
    lines = sum(entry.lines for entry in entries)
    if tally.finals != total or lines != total:
        raise NotComplete(f"{job_id}: {tally.finals} ended and {lines} results of {total} tasks")
    counts = counts_of(total, root, deps.now())
    ref = f"results/{job_id}/{gen}/manifest.json"
    event = how_it_ends(
        Policy.load(job.policy), tally, total, job.stop.reason if job.stop else None
    )
    manifest = _manifest(job, counts, entries)
    deps.results.put(ref, manifest.model_dump_json().encode(), "application/json")
    final = _set_final(deps, job, event, counts, manifest, ref)
    return {"state": final}


def _manifest(job: Job, counts: Counts, entries: list[PartEntry]) -> Manifest:
    return Manifest(
        job_id=job.job_id,
        gen=job.gen,
        lines=sum(entry.lines for entry in entries),
        bytes=sum(entry.bytes for entry in entries),
        counts={name: getattr(counts, name) for name in Counts.__dataclass_fields__},
        parts=entries,
    )


def _set_final(
    deps: Deps, job: Job, event: JobEvent, counts: Counts, manifest: Manifest, ref: str
) -> JobState:
    """Move the job to its last state, once."""
    now, state, reason = deps.now(), state_after(event), _reason(job, event, counts)
    done = deps.store.update_job(
        job.job_id,
        JobGuard(gen=job.gen, states=ACTIVE_JOB_STATES),
        state=state,
        state_reason=reason,
        final_counts=counts,
        finished_at=now,
        token=None,
        results_ref=ref,
        usage=Usage(
            attempts=sum(part.attempts for part in manifest.parts),
            worker_ms=sum(part.worker_ms for part in manifest.parts),
        ),
        happened=TimelineEvent(
            gen=job.gen,
            what=TimelineKind.FINISHED,
            at=now,
            state=state,
            detail=reason,
            tasks=counts.failed,
        ),
        expires_at=expiry(deps),
    )
    if done is not None:
        _tell_end(deps, done, now, counts)
    return state


def _reason(job: Job, event: JobEvent, counts: Counts) -> str | None:
    if job.state_reason is not None or event is not JobEvent.FINISHED_FAILED:
        return job.state_reason
    left = counts.cancelled + counts.skipped
    if left:
        return f"{left} of {job.total} tasks were stopped earlier and not retried"
    return f"{counts.failed} of {job.total} tasks failed, more than are tolerated"


def _tell_end(deps: Deps, job: Job, now: datetime, counts: Counts) -> None:
    """Write the series' last point, a line and a metric."""
    if job.started_at is not None:
        elapsed = (now - job.started_at).total_seconds()
        put_point(deps, job, bucket_of(elapsed) + 1, now, counts)
    deps.journal.event(
        "job.finished",
        job_id=job.job_id,
        tenant=job.tenant,
        gen=job.gen,
        state=job.state,
        reason=job.state_reason,
        seconds=(now - job.created_at).total_seconds(),
        request_id=job.request_id,
    )
    deps.journal.count(f"Jobs{job.state.title()}")
