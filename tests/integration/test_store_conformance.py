"""One suite of behaviours for every store: what holds on the fake holds on DynamoDB."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from orchestrator.model.items import (
    Absent,
    ApiKey,
    At,
    AttemptEnd,
    Budgets,
    Idem,
    Job,
    Older,
    Outbox,
    Role,
    Running,
    Stop,
    TaskRow,
    TaskWrite,
    Worker,
)
from orchestrator.model.progress import Counts, Leaf, Packed, Tally, pack_leaf, pack_node
from orchestrator.model.states import JobState, Outcome, StopReason, TaskState
from orchestrator.model.wire import RunningTask, TaskError
from orchestrator.service.ports import JobGuard, Refused, Store
from ulid import ULID

NOW = datetime(2030, 1, 1, 12, 0, 0, 123_000, tzinfo=UTC)
LATER = datetime(2031, 1, 1, tzinfo=UTC)


@pytest.fixture
def job_id() -> str:
    return str(ULID())


def make_job(job_id: str, **changes: object) -> Job:
    job = Job(
        job_id=job_id,
        tenant=f"t-{job_id}",
        name="näme",
        handler="echo",
        state=JobState.CREATED,
        policy="{}",
        created_by="k",
        request_id="r",
        created_at=NOW,
        expires_at=LATER,
        tags={"a": "b"},
        next_check_at=NOW,
        total=7,
    )
    return replace(job, **changes)  # type: ignore[arg-type]


def make_end(attempt: int = 1, error: TaskError | None = None) -> AttemptEnd:
    return AttemptEnd(
        attempt=attempt,
        run_id="01JABCDEFGHJKMNPQRSTVWXYZ0",
        outcome=Outcome.FAILED if error else Outcome.SUCCEEDED,
        at=NOW,
        worker="worker-1",
        started_at=NOW - timedelta(seconds=3),
        duration_ms=3000,
        error=error,
    )


def make_row(job_id: str, index: int, **changes: object) -> TaskRow:
    row = TaskRow(
        job_id=job_id,
        index=index,
        state=TaskState.SUCCEEDED,
        gen=1,
        attempt=1,
        expires_at=LATER,
        last=make_end(),
        result='{"n":1}',
    )
    return replace(row, **changes)  # type: ignore[arg-type]


def test_a_job_is_created_once_and_read_back_whole(store: Store, job_id: str) -> None:
    job = make_job(
        job_id,
        stop=Stop(reason=StopReason.CANCEL, by="me", at=NOW),
        final_counts=Counts(pending=3, succeeded=4),
        deadline_at=LATER,
        max_running=9,
    )
    assert store.put_job(job)
    assert not store.put_job(replace(job, name="other"))
    assert store.get_job(job_id) == job
    found = store.get_job_and_root(job_id)
    assert found is not None
    assert found[0] == job
    assert found[1].nodes == {}


def test_an_absent_job_is_none(store: Store, job_id: str) -> None:
    assert store.get_job(job_id) is None
    assert store.get_job_and_root(job_id) is None
    assert store.update_job(job_id, JobGuard(), cursor=1) is None
    assert store.update_job(job_id, JobGuard(), state=JobState.FAILED) is None
    assert store.get_job(job_id) is None


@pytest.mark.parametrize(
    ("guard", "holds"),
    [
        (JobGuard(), True),
        (JobGuard(gen=1, exec=1, cursor=0, states=frozenset({JobState.CREATED})), True),
        (JobGuard(gen=2), False),
        (JobGuard(exec=2), False),
        (JobGuard(cursor=1), False),
        (JobGuard(states=frozenset({JobState.STOPPING, JobState.FAILED})), False),
        (JobGuard(next_check_at=NOW), True),
        (JobGuard(next_check_at=LATER), False),
    ],
)
def test_a_job_changes_only_where_its_guard_holds(
    store: Store, job_id: str, guard: JobGuard, holds: bool
) -> None:
    store.put_job(make_job(job_id))
    changed = store.update_job(job_id, guard, cursor=5, token="tok", total=8)
    assert (changed is not None) == holds
    found = store.get_job(job_id)
    assert found == make_job(job_id, cursor=5, token="tok", total=8) if holds else make_job(job_id)
    assert changed is None or changed == found


def test_none_removes_an_attribute(store: Store, job_id: str) -> None:
    stop = Stop(reason=StopReason.DEADLINE, by="sweep", at=NOW)
    store.put_job(make_job(job_id, token="t", stop=stop, final_counts=Counts(failed=1)))
    changed = store.update_job(job_id, JobGuard(), token=None, stop=None, final_counts=None)
    assert changed == make_job(job_id)


def test_jobs_are_listed_newest_first_by_tenant_and_state(store: Store) -> None:
    ids = sorted(str(ULID()) for _ in range(5))
    tenant = f"t-{ids[0]}"
    for job_id in ids:
        store.put_job(make_job(job_id, tenant=tenant))
    store.update_job(ids[1], JobGuard(), state=JobState.FAILED)
    newest = ids[::-1]
    assert store.list_job_ids(tenant, None, 10, None) == newest
    assert store.list_job_ids(tenant, None, 2, newest[1]) == newest[2:4]
    assert store.list_job_ids(tenant, JobState.FAILED, 10, None) == [ids[1]]
    assert store.list_job_ids(tenant, JobState.CREATED, 10, newest[0]) == [ids[3], ids[2], ids[0]]
    assert store.list_job_ids("nobody", None, 10, None) == []
    jobs = store.get_jobs_and_roots([ids[2], str(ULID()), ids[0]])
    assert [job.job_id for job, _ in jobs] == [ids[2], ids[0]]


def test_due_jobs_are_the_active_ones_whose_time_has_come(store: Store) -> None:
    due, later, ended = (str(ULID()) for _ in range(3))
    store.put_job(make_job(due))
    store.put_job(make_job(later, next_check_at=LATER))
    store.put_job(make_job(ended))
    store.update_job(ended, JobGuard(), state=JobState.SUCCEEDED)
    listed = store.list_due_jobs(NOW, 10_000)
    assert due in listed
    assert not {later, ended} & set(listed)
    store.update_job(ended, JobGuard(), state=JobState.CREATED)
    assert ended in store.list_due_jobs(NOW, 10_000)


def test_a_leaf_admits_reports_only_of_its_generation_and_while_open(
    store: Store, job_id: str
) -> None:
    ok, failed = frozenset({0, 3}), frozenset({4})
    assert store.add_to_leaf(job_id, 0, 2, {"ok": ok}, LATER) is None
    first = store.add_to_leaf(job_id, 0, 1, {"ok": ok, "failed": failed}, LATER)
    assert first == Leaf(ver=1, ok=ok, failed=failed)
    again = store.add_to_leaf(job_id, 0, 1, {"ok": ok}, LATER)
    assert again == replace(first, ver=2)
    assert store.add_to_leaf(job_id, 0, 2, {"ok": ok}, LATER) is None
    assert store.begin_close(job_id, 0, 1, LATER) is not None
    assert store.add_to_leaf(job_id, 0, 1, {"ok": ok}, LATER) is None


def test_a_leaf_is_closed_in_two_steps_each_once(store: Store, job_id: str) -> None:
    assert store.end_close(job_id, 5, 1, {"ok": frozenset({1})}, LATER) is None
    closing = store.begin_close(job_id, 5, 1, LATER)
    assert closing == Leaf(ver=1, closed="closing")
    assert store.begin_close(job_id, 5, 1, LATER) is None
    assert store.end_close(job_id, 5, 2, {}, LATER) is None
    done = store.end_close(job_id, 5, 1, {"skipped": frozenset({0, 1})}, LATER)
    assert done == Leaf(ver=2, closed="done", skipped=frozenset({0, 1}))
    assert store.end_close(job_id, 5, 1, {}, LATER) is None
    assert store.begin_close(job_id, 5, 2, LATER) is None


def test_a_newer_generation_may_close_what_an_older_left_open(store: Store, job_id: str) -> None:
    store.create_leaves(job_id, [0], LATER)
    closing = store.begin_close(job_id, 0, 3, LATER)
    assert closing is not None
    assert (closing.gen, closing.closed) == (3, "closing")
    assert store.begin_close(job_id, 0, 2, LATER) is None


def test_reopening_takes_the_chosen_out_of_their_final_sets(store: Store, job_id: str) -> None:
    assert store.reopen_leaf(job_id, 0, 2, frozenset({1}), LATER) is None
    store.add_to_leaf(job_id, 0, 1, {"ok": frozenset({0}), "failed": frozenset({1})}, LATER)
    assert store.reopen_leaf(job_id, 0, 2, frozenset({1}), LATER) is None
    store.begin_close(job_id, 0, 1, LATER)
    store.end_close(job_id, 0, 1, {"cancelled": frozenset({2, 3})}, LATER)
    opened = store.reopen_leaf(job_id, 0, 2, frozenset({1, 2}), LATER)
    assert opened == Leaf(
        gen=2,
        ver=4,
        ok=frozenset({0}),
        cancelled=frozenset({3}),
        retry=frozenset({1, 2}),
    )
    assert store.reopen_leaf(job_id, 0, 2, frozenset({1, 2}), LATER) is None
    assert store.get_leaf(job_id, 0) == opened


def test_a_stamp_refuses_a_late_reopening(store: Store, job_id: str) -> None:
    store.begin_close(job_id, 0, 1, LATER)
    store.end_close(job_id, 0, 1, {"failed": frozenset({1})}, LATER)
    assert store.stamp_leaf(job_id, 0, 1, LATER) is None
    stamped = store.stamp_leaf(job_id, 0, 2, LATER)
    assert stamped is not None
    assert (stamped.gen, stamped.closed) == (2, "done")
    assert store.reopen_leaf(job_id, 0, 2, frozenset({1}), LATER) is None


def test_leaves_are_created_where_absent_and_listed_by_node(store: Store, job_id: str) -> None:
    store.add_to_leaf(job_id, 2, 1, {"ok": frozenset(range(250))}, LATER)
    store.create_leaves(job_id, range(64), LATER)
    store.create_leaves(job_id, range(60, 70), LATER)
    leaves = store.get_node_leaves(job_id, 0)
    assert sorted(leaves) == list(range(64))
    assert leaves[2].ok == frozenset(range(250))
    assert leaves[3] == Leaf()
    assert sorted(store.get_node_leaves(job_id, 1)) == list(range(64, 70))
    assert store.get_leaf(job_id, 100) is None


def test_a_push_replaces_smaller_by_bigger_only_and_shows_what_stands(
    store: Store, job_id: str
) -> None:
    small, big = (pack_leaf(Packed(v, Tally(ok=v))) for v in (1, 2))
    assert store.push_leaf(job_id, 65, big, LATER).leaves == {1: big}
    stood = store.push_leaf(job_id, 65, small, LATER)
    assert (stood.leaves, stood.ver) == ({1: big}, 1)
    assert store.push_leaf(job_id, 65, big, LATER).ver == 1
    node = store.push_leaf(job_id, 64, small, LATER)
    assert (node.leaves, node.ver) == ({0: small, 1: big}, 2)
    assert store.get_nodes(job_id, [0, 1, 2]) == {1: node}

    small, big = (pack_node(Packed(v, Tally(failed=v))) for v in (10**10, 10**10 + 1))
    store.put_job(make_job(job_id))
    assert store.push_node(job_id, 62, big, NOW, LATER).nodes == {62: big}
    root = store.push_node(job_id, 62, small, LATER, LATER)
    assert (root.nodes, root.pushed_at) == ({62: big}, NOW)
    assert store.push_node(job_id, 0, small, NOW, LATER).nodes == {0: small, 62: big}
    found = store.get_job_and_root(job_id)
    assert found is not None
    assert found[1] == store.get_root(job_id)


def test_running_counts_are_set_once_an_interval(store: Store, job_id: str) -> None:
    assert store.set_running(job_id, 3, 1, NOW, NOW - timedelta(seconds=5))
    soon = NOW + timedelta(seconds=4)
    assert not store.set_running(job_id, 9, 9, soon, soon - timedelta(seconds=5))
    root = store.get_root(job_id)
    assert (root.running_first, root.running_retry, root.running_as_of) == (3, 1, NOW)
    late = NOW + timedelta(seconds=6)
    assert store.set_running(job_id, 0, 0, late, late - timedelta(seconds=5))


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
