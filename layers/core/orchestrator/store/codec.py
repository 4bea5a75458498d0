"""Items to values and back. Nested values are JSON text, arrays where every byte of a row counts."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from pydantic_core import from_json

from orchestrator.model.ids import leaf_of, node_of_leaf
from orchestrator.model.items import (
    PRIORITY_DEFAULT,
    AttemptEnd,
    Budgets,
    Job,
    Outbox,
    Stop,
    TaskRow,
    Usage,
)
from orchestrator.model.lanes import Lane
from orchestrator.model.progress import Counts, Leaf, Node, Root
from orchestrator.model.states import JobState, Outcome, StopReason, TaskState
from orchestrator.model.timeline import TimelineEvent, TimelineKind
from orchestrator.model.wire import TaskError
from orchestrator.store.models import JobRow

RawItem = dict[str, dict[str, Any]]
"""An item as DynamoDB sends and takes it."""

_PACKED = frozenset(
    {"state", "lane", "stop", "final_counts", "tags", "events", "usage", "priority"}
)
"""Fields of a job that its item holds in another form."""
OUTBOX_SHARDS = 8
ACTIVE_SHARDS = 8


def shard_of(text: str, shards: int) -> int:
    """Return a stable shard of a name."""
    return sum(text.encode()) % shards


def job_key(job_id: str) -> str:
    """Return the partition of JOB and ROOT."""
    return f"J#{job_id}"


def task_key(job_id: str, index: int) -> tuple[str, str]:
    """Return the key of a task's row: the rows of a leaf are one partition, read by one query."""
    return f"T#{job_id}#{leaf_of(index):04d}", f"{index:07d}"


def leaf_key(job_id: str, leaf: int) -> tuple[str, str]:
    """Return the key of a leaf: the leaves of a node are one partition."""
    return f"L#{job_id}#{node_of_leaf(leaf):02d}", f"{leaf:04d}"


def node_key(job_id: str, node: int) -> tuple[str, str]:
    """Return the key of a node: each is a partition, since every report of its tasks writes it."""
    return f"N#{job_id}#{node:02d}", f"{node:02d}"


def hold_key(job_id: str, index: int) -> tuple[str, str]:
    """Return the key of a hold: each is a partition, since each run of its task writes it."""
    return f"H#{job_id}#{index:07d}", "HOLD"


def outbox_key(item: Outbox) -> tuple[str, str]:
    """Return the key of an outbox item: the minute after it is due, and all that it says.

    The minute is that of the time as a row keeps it, so that an item made from the row has the same key.
    """
    name = f"{item.job_id}#{item.gen}#{item.kind}#{item.start}#{item.stop}#{item.attempt}"
    return f"D#{item.minute}#{shard_of(name, OUTBOX_SHARDS)}", name


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


def pack_usage(usage: Usage | None) -> list[int] | None:
    """Return usage as JSON."""
    return [usage.attempts, usage.worker_ms] if usage is not None else None


def pack_event(event: TimelineEvent) -> str:
    """Return an event as JSON text, its last absent fields left out."""
    packed = [event.gen, event.what, millis(event.at), event.state, event.by, event.detail]
    packed.append(event.tasks)
    while packed[-1] is None:
        packed.pop()
    return _json(packed)


def _event_value(text: str) -> TimelineEvent:
    gen, what, at, state, by, detail, tasks = (from_json(text) + [None] * 4)[:7]
    return TimelineEvent(
        gen=gen,
        what=TimelineKind(what),
        at=moment(at),
        state=JobState(state) if state is not None else None,
        by=by,
        detail=detail,
        tasks=tasks,
    )


def job_item(model: type[JobRow], job: Job) -> JobRow:
    """Return JOB as an item."""
    plain = {name: getattr(job, name) for name in Job.__dataclass_fields__ if name not in _PACKED}
    return model(
        job_key(job.job_id),
        "JOB",
        state=job.state.value,
        lane=job.lane.value,
        priority=job.priority,
        tenant_state=state_index(job.tenant, job.state),
        active=active_index(job.job_id, job.state),
        stop=pack_stop(job.stop),
        final_counts=pack_counts(job.final_counts),
        tags=dict(job.tags) or None,
        events=[pack_event(event) for event in job.events] or None,
        usage=pack_usage(job.usage),
        **plain,
    )


def job_value(row: JobRow) -> Job:
    """Return an item as a job."""
    values: dict[str, Any] = {
        name: getattr(row, name) for name in Job.__dataclass_fields__ if name not in _PACKED
    }
    stop = (
        Stop(reason=StopReason(row.stop[0]), by=row.stop[1], at=moment(row.stop[2]))
        if row.stop
        else None
    )
    return Job(
        state=JobState(row.state),
        lane=Lane(row.lane or Lane.ORDINARY),
        priority=PRIORITY_DEFAULT if row.priority is None else int(row.priority),
        stop=stop,
        final_counts=Counts(**row.final_counts) if row.final_counts else None,
        tags=row.tags or {},
        events=tuple(_event_value(str(text)) for text in row.events or ()),
        usage=Usage(attempts=row.usage[0], worker_ms=row.usage[1]) if row.usage else None,
        **values,
    )


def root_value(raw: RawItem | None) -> Root:
    """Return ROOT as DynamoDB sends it as a value; an absent one is empty."""
    if raw is None:
        return Root()
    return Root(
        nodes=_packed_fields(raw, "n"),
        pushed_at=_moment(raw, "pushed_at"),
        pushes=_number(raw, "pushes", 0),
        running_first=_number(raw, "running_first", 0),
        running_retry=_number(raw, "running_retry", 0),
        running_as_of=_moment(raw, "running_as_of"),
    )


def node_value(raw: RawItem) -> Node:
    """Return NODE as a value."""
    return Node(
        ver=_number(raw, "ver", 0),
        leaves=_packed_fields(raw, "l"),
        calls=_number(raw, "calls", 0),
    )


def _packed_fields(raw: RawItem, prefix: str) -> dict[int, int]:
    return {
        int(name[1:]): int(value["N"])
        for name, value in raw.items()
        if name[0] == prefix and name[1:].isdigit()
    }


def leaf_value(raw: RawItem) -> Leaf:
    """Return LEAF as a value."""
    return Leaf(
        gen=_number(raw, "gen", 1),
        ver=_number(raw, "ver", 0),
        ok=_offsets(raw, "ok"),
        failed=_offsets(raw, "failed"),
        cancelled=_offsets(raw, "cancelled"),
        skipped=_offsets(raw, "skipped"),
        retry=_offsets(raw, "retry"),
        closed=raw["closed"]["S"] if "closed" in raw else None,
    )


def _offsets(raw: RawItem, name: str) -> frozenset[int]:
    return frozenset(map(int, raw[name]["NS"])) if name in raw else frozenset()


def _number(raw: RawItem, name: str, default: int) -> int:
    return int(raw[name]["N"]) if name in raw else default


def _moment(raw: RawItem, name: str) -> datetime | None:
    return moment(int(raw[name]["N"])) if name in raw else None


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
        *([error] if error is not None or end.log_ref is not None else []),
        *([end.log_ref] if end.log_ref is not None else []),
    ]


def _end_value(packed: list[Any]) -> AttemptEnd:
    attempt, run_id, outcome, at, worker, started_at, duration_ms, *rest = packed
    error, log_ref = [*rest, None, None][:2]
    return AttemptEnd(
        attempt=attempt,
        run_id=run_id,
        outcome=Outcome(outcome),
        at=moment(at),
        worker=worker,
        started_at=moment(started_at),
        duration_ms=duration_ms,
        error=TaskError.model_validate(error) if error is not None else None,
        log_ref=log_ref,
    )


def task_raw(row: TaskRow) -> RawItem:
    """Return a task's row as DynamoDB takes it: at hundreds a request, models would cost too much."""
    pk, sk = task_key(row.job_id, row.index)
    raw: RawItem = {
        "pk": {"S": pk},
        "sk": {"S": sk},
        "s": {"S": row.state.value},
        "g": {"N": str(row.gen)},
        "a": {"N": str(row.attempt)},
        "expires_at": {"N": str(int(row.expires_at.timestamp()))},
    }
    if row.due_at is not None:
        raw["d"] = {"N": str(millis(row.due_at))}
    if row.last is not None:
        raw["l"] = {"S": _json(_pack_end(row.last))}
    if row.starts:
        raw["st"] = {"SS": sorted(row.starts)}
    if row.budgets != Budgets():
        raw["b"] = {"S": _json(_pack_budgets(row.budgets))}
    if row.history:
        raw["h"] = {"S": _json([_pack_end(end) for end in row.history])}
    if row.result is not None:
        raw["r"] = {"S": row.result}
    if row.result_ref is not None:
        raw["rr"] = {"S": row.result_ref}
    return raw


def _pack_budgets(budgets: Budgets) -> list[Any]:
    packed: list[Any] = [budgets.user, budgets.infrastructure, budgets.timeouts]
    return [*packed, budgets.rules] if budgets.rules else packed


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def task_value(raw: RawItem) -> TaskRow:
    """Return a task's row as a value."""
    user, infrastructure, timeouts, *rules = from_json(raw["b"]["S"]) if "b" in raw else (0, 0, 0)
    history = from_json(raw["h"]["S"]) if "h" in raw else ()
    return TaskRow(
        job_id=raw["pk"]["S"].split("#")[1],
        index=int(raw["sk"]["S"]),
        state=TaskState(raw["s"]["S"]),
        gen=int(raw["g"]["N"]),
        attempt=int(raw["a"]["N"]),
        expires_at=datetime.fromtimestamp(int(raw["expires_at"]["N"]), UTC),
        due_at=_moment(raw, "d"),
        last=_end_value(from_json(raw["l"]["S"])) if "l" in raw else None,
        starts=frozenset(raw["st"]["SS"]) if "st" in raw else frozenset(),
        budgets=Budgets(
            user=user,
            infrastructure=infrastructure,
            timeouts=timeouts,
            rules=tuple(rules[0]) if rules else (),
        ),
        history=tuple(map(_end_value, history)),
        result=raw["r"]["S"] if "r" in raw else None,
        result_ref=raw["rr"]["S"] if "rr" in raw else None,
    )


def number_set(numbers: Iterable[int]) -> set[float]:
    """Return whole numbers as PynamoDB types its number sets; they must stay ints, 1.0 is not 1 everywhere."""
    return {*numbers}
