"""Values survive the way into an item and back, for any values."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.model.ids import MAX_TASKS, NODE_LEAVES
from orchestrator.model.items import AttemptEnd, Budgets, Job, Outbox, Stop, TaskRow
from orchestrator.model.progress import Counts, Leaf, pack_leaf, unpack_leaf
from orchestrator.model.states import JobState, Outcome, StopReason, TaskState
from orchestrator.model.wire import TaskError
from orchestrator.store.attributes import ExpiryAttribute, TimeAttribute
from orchestrator.store.codec import (
    OUTBOX_SHARDS,
    active_index,
    job_item,
    job_value,
    leaf_key,
    leaf_value,
    millis,
    moment,
    number_set,
    outbox_key,
    shard_of,
    task_key,
    task_raw,
    task_value,
)
from orchestrator.store.models import JobRow, LeafRow, TaskItem

JOB_ID = "01JABCDEFGHJKMNPQRSTVWXYZ0"
EARLIEST, LATEST = datetime(2020, 1, 1, tzinfo=UTC), datetime(2199, 1, 1, tzinfo=UTC)
LAST_MS = millis(LATEST)
times = st.integers(millis(EARLIEST), LAST_MS).map(moment)
expiries = st.integers(0, LAST_MS // 1000).map(lambda seconds: moment(seconds * 1000))
exact_times = st.datetimes(datetime(2020, 1, 1), datetime(2199, 1, 1), timezones=st.just(UTC))
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)
counts = st.integers(0, MAX_TASKS)
generations = st.integers(1, 10_000)
offsets = st.frozensets(st.integers(0, 249))
errors = st.builds(
    TaskError,
    type=texts,
    message=texts,
    traceback=st.none() | texts,
    retryable=st.booleans(),
    exit_code=st.none() | st.integers(-64, 255),
)
ends = st.builds(
    AttemptEnd,
    attempt=generations,
    run_id=names,
    outcome=st.sampled_from(Outcome),
    at=times,
    worker=names,
    started_at=times,
    duration_ms=counts,
    error=st.none() | errors,
)
rows = st.builds(
    TaskRow,
    job_id=st.just(JOB_ID),
    index=st.integers(0, MAX_TASKS - 1),
    state=st.sampled_from([state for state in TaskState if state is not TaskState.RUNNING]),
    gen=generations,
    attempt=generations,
    expires_at=expiries,
    due_at=st.none() | times,
    last=st.none() | ends,
    starts=st.frozensets(names, max_size=4),
    budgets=st.builds(
        Budgets,
        user=counts,
        infrastructure=counts,
        timeouts=counts,
        rules=st.lists(counts, max_size=20).map(tuple),
    ),
    history=st.lists(ends, max_size=5).map(tuple),
    result=st.none() | texts,
    result_ref=st.none() | names,
)
jobs = st.builds(
    Job,
    job_id=st.just(JOB_ID),
    tenant=names,
    name=texts,
    handler=names,
    state=st.sampled_from(JobState),
    gen=generations,
    exec=generations,
    total=st.none() | counts,
    policy=texts,
    created_by=texts,
    request_id=texts,
    created_at=times,
    expires_at=expiries,
    tags=st.dictionaries(names, texts, max_size=4),
    state_reason=st.none() | texts,
    stop=st.none() | st.builds(Stop, reason=st.sampled_from(StopReason), by=texts, at=times),
    plan_ref=st.none() | texts,
    base_finals=counts,
    cursor=counts,
    max_running=st.none() | counts,
    priority=st.integers(0, 9),
    unsent_of=st.none() | names,
    held_until=st.none() | times,
    asked_until=st.none() | times,
    token=st.none() | texts,
    final_counts=st.none() | st.builds(Counts, succeeded=counts, failed=counts, pending=counts),
    started_at=st.none() | times,
    deadline_at=st.none() | times,
    next_check_at=st.none() | times,
    opens_at=st.none() | times,
    checks=counts,
)


def through_dynamo[M](model: type[M], item: Any) -> M:
    """Return the item as it comes back from the table."""
    read: M = model.from_raw_data(item.serialize())  # type: ignore[attr-defined]
    return read


@given(rows)
def test_a_task_s_row_comes_back_as_it_was(row: TaskRow) -> None:
    raw = task_raw(row)
    assert task_value(raw) == row
    modelled = TaskItem.from_raw_data(raw).serialize()
    assert modelled.keys() == raw.keys(), "the model and the codec agree"
    for typed in modelled.values():
        typed.update({"SS": sorted(typed["SS"])} if "SS" in typed else {})
    assert modelled == raw


@given(jobs)
def test_a_job_comes_back_as_it_was(job: Job) -> None:
    item = job_item(JobRow, job)
    assert job_value(through_dynamo(JobRow, item)) == job
    assert ("active" in item.serialize()) == (not job.state.final)


@given(offsets, offsets, offsets, offsets, offsets, generations, counts)
def test_a_leaf_comes_back_as_it_was_and_no_set_is_ever_empty(
    ok: frozenset[int],
    failed: frozenset[int],
    cancelled: frozenset[int],
    skipped: frozenset[int],
    retry: frozenset[int],
    gen: int,
    ver: int,
) -> None:
    sets: dict[str, Any] = {
        "ok": ok,
        "failed": failed,
        "cancelled": cancelled,
        "skipped": skipped,
        "retry": retry,
    }
    attributes: dict[str, Any] = {n: number_set(members) or None for n, members in sets.items()}
    item = LeafRow(*leaf_key(JOB_ID, 0), gen=gen, ver=ver, **attributes)
    raw = item.serialize()
    assert all(typed.get("NS") != [] for typed in raw.values())
    assert all("." not in text for typed in raw.values() for text in typed.get("NS", []))
    leaf = leaf_value(raw)
    assert leaf == Leaf(gen=gen, ver=ver, **sets)
    assert unpack_leaf(pack_leaf(leaf.packed())) == leaf.packed()


@given(exact_times)
def test_a_time_is_kept_to_the_millisecond_and_sorts(time: datetime) -> None:
    attribute = TimeAttribute()
    kept = attribute.deserialize(attribute.serialize(time))
    assert abs((kept - time).total_seconds()) <= 0.0005
    assert attribute.deserialize(attribute.serialize(kept)) == kept
    assert attribute.serialize(time) == str(millis(time))


@given(exact_times)
def test_an_expiry_is_kept_in_whole_seconds(time: datetime) -> None:
    attribute = ExpiryAttribute()
    assert attribute.serialize(time).isdecimal()
    assert attribute.deserialize(attribute.serialize(time)) == time.replace(microsecond=0)


@given(exact_times, generations, counts, counts, generations)
def test_an_outbox_key_is_stable_once_its_time_was_kept(
    due_at: datetime, gen: int, start: int, stop: int, attempt: int
) -> None:
    def key(due: datetime) -> tuple[str, str]:
        item = Outbox(
            job_id=JOB_ID,
            gen=gen,
            kind="retry",
            start=start,
            stop=stop,
            attempt=attempt,
            due_at=due,
            expires_at=LATEST,
        )
        return outbox_key(item)

    assert key(due_at) == key(moment(millis(due_at)))
    minute, shard = (int(part) for part in key(due_at)[0].split("#")[1:])
    assert 0 < minute * 60_000 - millis(due_at) <= 60_000
    assert 0 <= shard < OUTBOX_SHARDS


@given(st.integers(0, MAX_TASKS - 1), st.integers(0, MAX_TASKS - 1))
def test_keys_sort_as_their_numbers_do(one: int, other: int) -> None:
    assert (task_key(JOB_ID, one) < task_key(JOB_ID, other)) == (one < other)
    leaf = one // 250
    assert leaf == int(task_key(JOB_ID, one)[0].rpartition("#")[2])
    assert leaf // NODE_LEAVES == int(leaf_key(JOB_ID, leaf)[0].rpartition("#")[2])


@given(names, st.sampled_from(JobState))
def test_a_shard_is_one_of_them(name: str, state: JobState) -> None:
    assert 0 <= shard_of(name, 8) < 8
    assert (active_index(name, state) is None) == state.final
