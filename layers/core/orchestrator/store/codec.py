"""Items to values and back. Nested values are JSON text, arrays where every byte of a row counts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from orchestrator.model.ids import node_of, node_of_leaf
from orchestrator.model.items import AttemptEnd, Budgets, Job, Outbox, Stop, TaskRow
from orchestrator.model.progress import Counts, Leaf, Node, Root
from orchestrator.model.states import JobState, Outcome, StopReason, TaskState
from orchestrator.model.wire import TaskError
from orchestrator.store.models import JobRow, LeafRow, NodeRow, RootRow, TaskItem

OUTBOX_SHARDS = 8
ACTIVE_SHARDS = 8


def shard_of(text: str, shards: int) -> int:
    """Return a stable shard of a name."""
    return sum(text.encode()) % shards


def job_key(job_id: str) -> str:
    """Return the partition of JOB and ROOT."""
    return f"J#{job_id}"


def task_key(job_id: str, index: int) -> tuple[str, str]:
    """Return the key of a task's row: a node's rows and leaves share a partition."""
    return f"T#{job_id}#{node_of(index):02d}", f"T#{index:07d}"


def leaf_key(job_id: str, leaf: int) -> tuple[str, str]:
    """Return the key of a leaf."""
    return f"T#{job_id}#{node_of_leaf(leaf):02d}", f"L#{leaf:04d}"


def node_key(job_id: str, node: int) -> tuple[str, str]:
    """Return the key of a node."""
    return f"N#{job_id}", f"{node:02d}"


def outbox_key(item: Outbox) -> tuple[str, str]:
    """Return the key of an outbox item: the minute after it is due, and all that it says.

    The minute is that of the time as a row keeps it, so that an item made from the row has the same key.
    """
    minute = millis(item.due_at) // 60_000 + 1
    name = f"{item.job_id}#{item.gen}#{item.kind}#{item.start}#{item.stop}#{item.attempt}"
    return f"D#{minute}#{shard_of(name, OUTBOX_SHARDS)}", name


def millis(value: datetime) -> int:
    """Return whole milliseconds of the epoch."""
    return round(value.timestamp() * 1000)


def moment(value: int) -> datetime:
    """Undo `millis`."""
    return datetime.fromtimestamp(value / 1000, UTC)


def state_index(tenant: str, state: JobState) -> str:
    """Return the partition of by_state."""
    return f"{tenant}#{state}"


def active_index(job_id: str, state: JobState) -> str | None:
    """Return the partition of the active index; a final job is in none."""
    return None if state.final else f"A#{shard_of(job_id, ACTIVE_SHARDS)}"


def pack_stop(stop: Stop | None) -> list[Any] | None:
    """Return a stop as JSON."""
    return [stop.reason, stop.by, millis(stop.at)] if stop is not None else None


def pack_counts(counts: Counts | None) -> dict[str, int] | None:
    """Return counts as JSON."""
    if counts is None:
        return None
    return {name: getattr(counts, name) for name in Counts.__dataclass_fields__}


def job_item(model: type[JobRow], job: Job) -> JobRow:
    """Return JOB as an item."""
    plain = {
        name: getattr(job, name)
        for name in Job.__dataclass_fields__
        if name not in ("state", "stop", "final_counts", "tags")
    }
    return model(
        job_key(job.job_id),
        "JOB",
        state=job.state.value,
        tenant_state=state_index(job.tenant, job.state),
        active=active_index(job.job_id, job.state),
        stop=pack_stop(job.stop),
        final_counts=pack_counts(job.final_counts),
        tags=dict(job.tags) or None,
        **plain,
    )


def job_value(row: JobRow) -> Job:
    """Return an item as a job."""
    values: dict[str, Any] = {
        name: getattr(row, name)
        for name in Job.__dataclass_fields__
        if name not in ("state", "stop", "final_counts", "tags")
    }
    stop = (
        Stop(reason=StopReason(row.stop[0]), by=row.stop[1], at=moment(row.stop[2]))
        if row.stop
        else None
    )
    return Job(
        state=JobState(row.state),
        stop=stop,
        final_counts=Counts(**row.final_counts) if row.final_counts else None,
        tags=row.tags or {},
        **values,
    )


def root_value(row: RootRow | None) -> Root:
    """Return an item as ROOT; an absent one is empty."""
    if row is None:
        return Root()
    return Root(
        nodes=_packed_fields(row.attribute_values, "n"),
        pushed_at=row.pushed_at,
        running_first=int(row.running_first or 0),
        running_retry=int(row.running_retry or 0),
        running_as_of=row.running_as_of,
    )


def node_value(row: NodeRow) -> Node:
    """Return an item as a node."""
    return Node(ver=int(row.ver or 0), leaves=_packed_fields(row.attribute_values, "l"))


def _packed_fields(values: Mapping[str, Any], prefix: str) -> dict[int, int]:
    return {
        int(name[1:]): int(value)
        for name, value in values.items()
        if name[0] == prefix and name[1:].isdigit() and value is not None
    }


def leaf_value(row: LeafRow) -> Leaf:
    """Return an item as a leaf."""
    return Leaf(
        gen=int(row.gen or 1),
        ver=int(row.ver or 0),
        ok=_offsets(row.ok),
        failed=_offsets(row.failed),
        cancelled=_offsets(row.cancelled),
        skipped=_offsets(row.skipped),
        retry=_offsets(row.retry),
        closed=row.closed,  # type: ignore[arg-type]
    )


def _offsets(values: set[float] | None) -> frozenset[int]:
    return frozenset(int(value) for value in values or ())


def _pack_end(end: AttemptEnd) -> list[Any]:
    error = end.error.model_dump(mode="json", exclude_defaults=True) if end.error else None
    return [
        end.attempt,
        end.run_id,
        end.outcome,
        millis(end.at),
        end.worker,
        millis(end.started_at),
        end.duration_ms,
        *([error] if error is not None else []),
    ]


def _end_value(packed: list[Any]) -> AttemptEnd:
    attempt, run_id, outcome, at, worker, started_at, duration_ms, *error = packed
    return AttemptEnd(
        attempt=attempt,
        run_id=run_id,
        outcome=Outcome(outcome),
        at=moment(at),
        worker=worker,
        started_at=moment(started_at),
        duration_ms=duration_ms,
        error=TaskError.model_validate(error[0]) if error else None,
    )


def _pack_budgets(budgets: Budgets) -> list[int] | None:
    packed = [budgets.user, budgets.infrastructure, budgets.timeouts]
    return packed if any(packed) else None


def task_item(model: type[TaskItem], row: TaskRow) -> TaskItem:
    """Return a task's row as an item."""
    return model(
        *task_key(row.job_id, row.index),
        state=row.state.value,
        gen=row.gen,
        attempt=row.attempt,
        due_at=row.due_at,
        last=_pack_end(row.last) if row.last is not None else None,
        starts=set(row.starts) or None,
        budgets=_pack_budgets(row.budgets),
        history=[_pack_end(end) for end in row.history] or None,
        result=row.result,
        result_ref=row.result_ref,
        expires_at=row.expires_at,
    )


def task_value(item: TaskItem) -> TaskRow:
    """Return an item as a task's row."""
    user, infrastructure, timeouts = item.budgets or (0, 0, 0)
    return TaskRow(
        job_id=item.pk.split("#")[1],
        index=int(item.sk[2:]),
        state=TaskState(item.state),
        gen=int(item.gen),
        attempt=int(item.attempt),
        expires_at=item.expires_at or moment(0),
        due_at=item.due_at,
        last=_end_value(item.last) if item.last else None,
        starts=frozenset(item.starts or ()),
        budgets=Budgets(user=user, infrastructure=infrastructure, timeouts=timeouts),
        history=tuple(_end_value(end) for end in item.history or ()),
        result=item.result,
        result_ref=item.result_ref,
    )


def number_set(numbers: Iterable[int]) -> set[float]:
    """Return whole numbers as PynamoDB types its number sets; they must stay ints, 1.0 is not 1 everywhere."""
    return {*numbers}
