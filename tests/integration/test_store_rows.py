"""One suite of behaviours for every store: tasks, outbox, messages, keys and workers."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest
from ulid import ULID

from orchestrator.model.items import (
    Absent,
    ApiKey,
    At,
    Budgets,
    Idem,
    Older,
    Outbox,
    Role,
    Running,
    TaskRow,
    TaskWrite,
    Worker,
)
from orchestrator.model.states import TaskState
from orchestrator.model.wire import RunningTask, TaskError
from orchestrator.service.ports import Refused, Store
from tests.integration.values import LATER, NOW, make_end, make_row


def test_rows_are_written_each_on_its_own_condition(store: Store, job_id: str) -> None:
    rows = [make_row(job_id, index) for index in range(60)]
    writes = [TaskWrite(row=row, expect=Absent()) for row in rows]
    assert store.write_tasks(writes) == [None] * 60
    other = [replace(row, result='"other"') for row in rows[:3]]
    new = make_row(job_id, 300)
    answers = store.write_tasks([TaskWrite(row=row, expect=Absent()) for row in [*other, new]])
    assert answers == [*(Refused(row) for row in rows[:3]), None]
    found = store.get_tasks(job_id, [*range(70), 300])
    assert found == {**{row.index: row for row in rows}, 300: new}
    assert store.get_leaf_tasks(job_id, 0) == {row.index: row for row in rows}
    assert store.get_leaf_tasks(job_id, 1) == {300: new}


@pytest.mark.parametrize(
    "asked",
    [
        [*range(200)],  # neighbours
        [*range(0, 200, 7)],  # far apart
        [*range(240, 270)],  # of two leaves
        [*range(10, 31), 199],  # a run and a stray
        [5, 260],
        [],
    ],
)
def test_the_rows_asked_for_are_read_and_no_others(
    store: Store, job_id: str, asked: list[int]
) -> None:
    rows = {index: make_row(job_id, index) for index in range(0, 300, 3)}
    store.write_tasks([TaskWrite(row=row, expect=Absent()) for row in rows.values()])
    assert store.get_tasks(job_id, asked) == {i: rows[i] for i in asked if i in rows}


def test_a_row_of_the_expected_attempt_is_replaced_whole(store: Store, job_id: str) -> None:
    error = TaskError(type="Boom", message="ünd", traceback="line", retryable=False, exit_code=3)
    waiting = make_row(
        job_id,
        0,
        state=TaskState.RETRYING,
        attempt=2,
        due_at=NOW,
        result=None,
        last=make_end(1, error),
        budgets=Budgets(user=1),
    )
    store.write_tasks([TaskWrite(row=waiting, expect=Absent())])
    started = store.add_start(job_id, 0, 1, 2, "m#1", LATER)
    assert started == replace(waiting, starts=frozenset({"m#1"}))
    final = make_row(job_id, 0, attempt=2, last=make_end(2), history=(make_end(1, error),))
    wrong = [At(gen=1, attempt=1), At(gen=2, attempt=2), At(gen=1, attempt=3)]
    for expect in wrong:
        assert store.write_tasks([TaskWrite(row=final, expect=expect)]) == [Refused(started)]
    right = TaskWrite(row=final, expect=At(gen=1, attempt=2))
    assert store.write_tasks([right]) == [None]
    assert store.get_tasks(job_id, [0]) == {0: final}
    assert store.write_tasks([right]) == [Refused(final)]
    missing = replace(final, index=1)
    assert store.write_tasks([TaskWrite(row=missing, expect=At(gen=1, attempt=2))]) == [
        Refused(None)
    ]


def test_a_reopened_row_replaces_only_older_generations(store: Store, job_id: str) -> None:
    old = make_row(job_id, 0)
    store.write_tasks([TaskWrite(row=old, expect=Absent())])
    fresh = [
        make_row(job_id, index, gen=2, attempt=2, state=TaskState.PENDING, last=None, result=None)
        for index in range(2)
    ]
    writes = [TaskWrite(row=row, expect=Older(gen=2)) for row in fresh]
    assert store.write_tasks(writes) == [None, None]
    assert store.get_tasks(job_id, [0, 1]) == dict(enumerate(fresh))
    assert store.write_tasks(writes) == [Refused(row) for row in fresh]


def test_a_start_counts_once_a_receive_and_makes_the_first_row(store: Store, job_id: str) -> None:
    assert store.add_start(job_id, 0, 1, 2, "m#2", LATER) is None
    assert store.add_start(job_id, 0, 2, 1, "m#2", LATER) is None
    first = store.add_start(job_id, 0, 1, 1, "m#2", LATER)
    assert first is not None
    assert (first.state, first.attempt, first.starts) == (TaskState.PENDING, 1, frozenset({"m#2"}))
    store.add_start(job_id, 0, 1, 1, "m#2", LATER)
    second = store.add_start(job_id, 0, 1, 1, "m#3", LATER)
    assert second is not None
    assert second.starts == {"m#2", "m#3"}
    store.refund_start(job_id, 0, 1, 1, "m#2")
    store.refund_start(job_id, 0, 1, 1, "m#2")
    store.refund_start(job_id, 0, 1, 2, "m#3")
    assert store.get_tasks(job_id, [0])[0].starts == {"m#3"}
    store.refund_start(job_id, 0, 1, 1, "m#3")
    assert store.get_tasks(job_id, [0])[0].starts == frozenset()
    done = TaskWrite(row=make_row(job_id, 0), expect=At(gen=1, attempt=1))
    assert store.write_tasks([done]) == [None]
    assert store.add_start(job_id, 0, 1, 1, "m#4", LATER) is None
    store.refund_start(job_id, 9, 1, 1, "m#4")
    assert store.get_tasks(job_id, [9]) == {}


def test_many_rows_are_read_in_one_call(store: Store, job_id: str) -> None:
    rows = [make_row(job_id, index) for index in range(230)]
    store.write_tasks([TaskWrite(row=row, expect=Absent()) for row in rows])
    assert store.get_tasks(job_id, range(250)) == {row.index: row for row in rows}
    assert store.get_tasks(job_id, []) == {}


def test_outbox_items_lie_under_the_minute_after_they_are_due(store: Store, job_id: str) -> None:
    minute = int(NOW.timestamp() // 60) + 1
    items = [
        Outbox(
            job_id=job_id,
            gen=1,
            kind="retry",
            start=index,
            stop=index + 1,
            attempt=2,
            due_at=NOW,
            expires_at=LATER,
        )
        for index in range(30)
    ]
    ranged = replace(items[0], kind="range", stop=500, attempt=0, due_at=NOW + timedelta(minutes=1))
    store.put_outbox([*items, ranged, items[0]])

    def mine(at: int) -> list[Outbox]:
        found = [item for item in store.list_outbox(at, 10_000) if item.job_id == job_id]
        return sorted(found, key=lambda item: item.start)

    assert mine(minute) == items
    assert mine(minute + 1) == [ranged]
    store.delete_outbox([*items[1:], items[1]])
    store.delete_outbox([items[1]])
    assert mine(minute) == items[:1]
    assert len(store.list_outbox(minute, 1)) == 1
    store.delete_outbox([items[0], ranged])


def test_the_sweep_s_cursor_is_kept(store: Store) -> None:
    store.put_sweep_minute(41)
    store.put_sweep_minute(42)
    assert store.get_sweep_minute() == 42


def test_what_left_a_message_adds_up(store: Store, job_id: str) -> None:
    store.add_given(job_id, frozenset({1, 2}), LATER)
    store.add_given(job_id, frozenset({2, 3}), LATER)
    assert store.get_given([job_id, "other"]) == {job_id: frozenset({1, 2, 3})}
    assert store.get_given([]) == {}


def test_an_idempotency_key_keeps_its_first_meaning(store: Store, job_id: str) -> None:
    first = Idem(key=job_id, job_id=job_id, body_hash="h", from_gen=0, expires_at=LATER)
    assert store.put_idem(first) == first
    assert store.put_idem(replace(first, job_id="other", body_hash="x", from_gen=2)) == first


def test_keys_are_kept_listed_and_deleted(store: Store, job_id: str) -> None:
    key = ApiKey(
        key_id=job_id,
        name="n",
        tenant="t",
        role=Role.VIEWER,
        secret_hash="h",
        created_at=NOW,
        created_by="me",
        expires_at=LATER,
    )
    forever = replace(key, key_id=str(ULID()), expires_at=None)
    store.put_key(key)
    store.put_key(forever)
    assert store.get_key(job_id) == key
    assert {job_id, forever.key_id} <= {item.key_id for item in store.list_keys()}
    assert store.get_key(forever.key_id) == forever
    assert store.delete_key(job_id)
    assert not store.delete_key(job_id)
    assert store.get_key(job_id) is None


def test_workers_and_what_they_run(store: Store, job_id: str) -> None:
    worker = Worker(
        worker_id=f"w-{job_id}",
        version="1",
        slots=4,
        handlers=("echo",),
        unknown_handlers=(),
        draining=False,
        jobs=frozenset({job_id}),
        seen_at=NOW,
        expires_at=LATER,
        alive_since=NOW,
    )
    assert store.put_worker(worker) is None
    assert store.put_worker(replace(worker, jobs=frozenset())) == worker
    task = RunningTask(job=job_id, index=3, attempt=1, since_ms=5, progress=0.5)
    running = Running(job_id=job_id, worker_id="w", tasks=(task,), seen_at=NOW, expires_at=LATER)
    store.put_running(running)
    store.put_running(replace(running, worker_id="gone", expires_at=NOW))
    assert store.list_running(job_id, NOW) == [running]
    store.delete_running(job_id, "w")
    store.delete_running(job_id, "w")
    assert store.list_running(job_id, NOW) == []


def test_a_batch_of_all_expectations_answers_each_in_its_place(store: Store, job_id: str) -> None:
    open_row = make_row(job_id, 0, state=TaskState.RETRYING, attempt=2, result=None)
    done, old = make_row(job_id, 1), make_row(job_id, 2)
    store.write_tasks([TaskWrite(row=row, expect=Absent()) for row in (open_row, done, old)])

    def wanted(index: int, gen: int = 1) -> TaskRow:
        return make_row(job_id, index, gen=gen, attempt=9, state=TaskState.PENDING)

    writes = [
        TaskWrite(row=wanted(3), expect=Absent()),
        TaskWrite(row=wanted(1), expect=Absent()),
        TaskWrite(row=wanted(0), expect=At(gen=1, attempt=2)),
        TaskWrite(row=wanted(4), expect=At(gen=1, attempt=2)),
        TaskWrite(row=wanted(2, gen=2), expect=Older(gen=2)),
        TaskWrite(row=wanted(5, gen=2), expect=Older(gen=2)),
        TaskWrite(row=wanted(1), expect=Older(gen=1)),
    ]
    refused = {1: Refused(done), 3: Refused(None), 6: Refused(done)}
    assert store.write_tasks(writes) == [refused.get(number) for number in range(7)]
    stands = {write.row.index: write.row for n, write in enumerate(writes) if n not in refused}
    assert store.get_tasks(job_id, range(10)) == {**stands, 1: done}


def test_writing_nothing_is_nothing(store: Store, job_id: str) -> None:
    assert store.write_tasks([]) == []
    store.put_outbox([])
    store.delete_outbox([])
    store.create_leaves(job_id, [], LATER)
    store.add_given(job_id, frozenset(), LATER)
    assert store.get_given([job_id]) == {}
    assert store.get_nodes(job_id, []) == {}
    assert store.get_jobs_and_roots([]) == []


def test_a_refund_counts_only_where_the_start_was_this_attempt_s(store: Store, job_id: str) -> None:
    row = make_row(job_id, 0, state=TaskState.RETRYING, attempt=2, starts=frozenset({"a", "b"}))
    store.write_tasks([TaskWrite(row=row, expect=Absent())])
    store.refund_start(job_id, 0, 2, 2, "a")
    store.refund_start(job_id, 0, 1, 1, "a")
    assert store.get_tasks(job_id, [0]) == {0: row}
    store.refund_start(job_id, 0, 1, 2, "a")
    assert store.get_tasks(job_id, [0]) == {0: replace(row, starts=frozenset({"b"}))}


def test_rows_that_fill_several_pages_are_all_read(store: Store, job_id: str) -> None:
    error = TaskError(type="Boom", message="m" * 1000, traceback="t" * 3000)
    history = tuple(make_end(n, TaskError(type="Boom", message="h" * 900)) for n in range(1, 4))
    rows = [
        make_row(job_id, index, attempt=4, last=make_end(4, error), history=history)
        for index in range(250)
    ]
    store.write_tasks([TaskWrite(row=row, expect=Absent()) for row in rows])
    assert store.get_leaf_tasks(job_id, 0) == dict(enumerate(rows))
    assert store.get_tasks(job_id, range(250)) == dict(enumerate(rows))


def test_of_two_workers_that_report_the_same_attempt_one_is_written(
    atomic: Store, job_id: str
) -> None:
    rows = [make_row(job_id, 0, result=str(number)) for number in range(16)]

    def write(row: TaskRow) -> Refused | None:
        return atomic.write_tasks([TaskWrite(row=row, expect=Absent())])[0]

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(write, rows))
    (winner,) = [row for row, answer in zip(rows, answers, strict=True) if answer is None]
    assert {answer for answer in answers if answer is not None} == {Refused(winner)}
    assert atomic.get_tasks(job_id, [0]) == {0: winner}


def test_an_outbox_item_made_from_its_row_is_the_same_item(store: Store, job_id: str) -> None:
    """A row keeps milliseconds: just before a minute, the rest must not move the item's minute."""
    due = NOW.replace(second=59, microsecond=999_700)
    item = Outbox(
        job_id=job_id,
        gen=1,
        kind="retry",
        start=0,
        stop=1,
        attempt=2,
        due_at=due,
        expires_at=LATER,
    )
    row = make_row(job_id, 0, state=TaskState.RETRYING, attempt=2, due_at=due)
    store.put_outbox([item])
    store.write_tasks([TaskWrite(row=row, expect=Absent())])
    kept = store.get_tasks(job_id, [0])[0].due_at
    assert kept is not None
    store.delete_outbox([replace(item, due_at=kept)])
    minute = int(due.timestamp() // 60)
    for at in (minute + 1, minute + 2):
        assert [item for item in store.list_outbox(at, 1000) if item.job_id == job_id] == []


def test_what_left_many_messages_is_read_in_one_call(store: Store, job_id: str) -> None:
    ids = [f"{job_id}-{number}" for number in range(120)]
    for message_id in ids[::10]:
        store.add_given(message_id, frozenset(range(250)), LATER)
    assert store.get_given(ids) == dict.fromkeys(ids[::10], frozenset(range(250)))
