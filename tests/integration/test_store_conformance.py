"""One suite of behaviours for every store: what holds on the fake holds on DynamoDB. Jobs and progress."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest
from ulid import ULID

from orchestrator.model.items import (
    Job,
    Stop,
    Usage,
)
from orchestrator.model.lanes import Lane
from orchestrator.model.progress import (
    Counts,
    Leaf,
    Node,
    Packed,
    SetName,
    Tally,
    pack_leaf,
    pack_node,
)
from orchestrator.model.states import JobState, StopReason
from orchestrator.model.timeline import TimelineEvent, TimelineKind
from orchestrator.service.ports import JobChanges, JobGuard, Store
from tests.integration.values import LATER, NOW, make_job


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
        (JobGuard(unplanned=True), True),
        (JobGuard(unasked_at=NOW), True),
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


def test_of_two_plans_the_first_is_kept(store: Store, job_id: str) -> None:
    store.put_job(make_job(job_id))
    guard = JobGuard(gen=1, unplanned=True)
    assert store.update_job(job_id, guard, total=8, plan_ref="one") is not None
    assert store.update_job(job_id, guard, total=9, plan_ref="two") is None
    assert store.get_job(job_id) == make_job(job_id, total=8, plan_ref="one")


def test_of_two_that_ask_at_once_one_is_let_through_until_the_time_is_over(
    store: Store, job_id: str
) -> None:
    store.put_job(make_job(job_id))
    asked = LATER
    assert store.update_job(job_id, JobGuard(unasked_at=NOW), asked_until=asked) is not None
    assert store.update_job(job_id, JobGuard(unasked_at=NOW), asked_until=asked) is None
    assert store.update_job(job_id, JobGuard(unasked_at=asked), asked_until=None) is not None
    assert store.update_job(job_id, JobGuard(unasked_at=NOW), asked_until=asked) is not None


def test_a_job_and_one_of_its_leaves_are_read_together(store: Store, job_id: str) -> None:
    assert store.get_job_and_leaf(job_id, 3) is None
    job = make_job(job_id)
    store.put_job(job)
    assert store.get_job_and_leaf(job_id, 3) == (job, None)
    leaf = store.add_to_leaf(job_id, 3, 1, {"ok": frozenset({1, 249})}, LATER)
    assert store.get_job_and_leaf(job_id, 3) == (job, leaf)


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


def test_jobs_with_unsent_tasks_are_listed_by_priority(store: Store) -> None:
    ids = [str(ULID()) for _ in range(5)]
    tenant = f"t-{ids[0]}"
    for job_id, priority in zip(ids, (3, 9, 0, 5, 5), strict=True):
        store.put_job(make_job(job_id, priority=priority, unsent_of=tenant))
    assert store.list_unsent(tenant, 4, 9, 1) == [ids[1]]
    assert set(store.list_unsent(tenant, 4, 8, 9)) == set(ids[3:])
    assert store.list_unsent(tenant, 0, 4, 9) == [ids[0], ids[2]]
    store.update_job(ids[1], JobGuard(), unsent_of=None)
    assert store.list_unsent(tenant, 6, 9, 9) == []
    assert store.list_unsent("another", 0, 9, 9) == []


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


def test_a_full_leaf_is_closed_by_one_write_unless_it_is_closed_or_newer(
    store: Store, job_id: str
) -> None:
    ok = frozenset({0, 1})
    store.add_to_leaf(job_id, 5, 1, {"ok": ok}, LATER)
    done = store.begin_close(job_id, 5, 1, LATER, full=True)
    assert done == Leaf(ver=2, ok=ok, closed="done")
    assert store.begin_close(job_id, 5, 1, LATER, full=True) is None
    assert store.add_to_leaf(job_id, 5, 1, {"failed": frozenset({2})}, LATER) is None
    assert store.reopen_leaf(job_id, 5, 2, frozenset(), LATER) is not None
    assert store.begin_close(job_id, 5, 1, LATER, full=True) is None


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


def test_leaves_are_pushed_together_and_one_that_is_newer_holds_up_no_other(
    store: Store, job_id: str
) -> None:
    small, big = (pack_leaf(Packed(v, Tally(ok=v))) for v in (1, 2))
    assert store.push_leaves(job_id, {0: small, 1: big}, LATER, 1) == Node(
        ver=1, leaves={0: small, 1: big}, calls=1
    )
    stood = store.push_leaves(job_id, {0: big, 1: small, 2: small}, LATER, 1)
    assert stood.leaves == {0: big, 1: big, 2: small}
    assert (stood.ver, stood.calls) == (3, 2)
    every = dict.fromkeys(range(64), pack_leaf(Packed(10**9 - 1, Tally(250))))
    assert store.push_leaves(job_id, every, LATER).leaves == every


def test_a_push_replaces_smaller_by_bigger_only_and_shows_what_stands(
    store: Store, job_id: str
) -> None:
    small, big = (pack_leaf(Packed(v, Tally(ok=v))) for v in (1, 2))
    assert store.push_leaves(job_id, {65: big}, LATER).leaves == {1: big}
    stood = store.push_leaves(job_id, {65: small}, LATER)
    assert (stood.leaves, stood.ver) == ({1: big}, 1)
    assert store.push_leaves(job_id, {65: big}, LATER).ver == 1
    node = store.push_leaves(job_id, {64: small}, LATER)
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


def test_every_attribute_of_a_job_can_be_changed_and_is_read_back(
    store: Store, job_id: str
) -> None:
    store.put_job(make_job(job_id, total=None, next_check_at=None))
    changes: JobChanges = {
        "state": JobState.STOPPING,
        "state_reason": "tolerance",
        "stop": Stop(reason=StopReason.TOLERANCE, by="policy", at=NOW),
        "gen": 2,
        "exec": 3,
        "total": 1_000_000,
        "plan_ref": "jobs/plan.json",
        "reopen_ref": "jobs/reopen",
        "lane": Lane.EXPRESS,
        "base_finals": 999_999,
        "cursor": 1,
        "unsent_of": "t",
        "token": "t" * 800,
        "final_counts": Counts(succeeded=999_999, failed=1),
        "started_at": NOW,
        "finished_at": LATER,
        "deadline_at": LATER,
        "next_check_at": NOW,
        "checks": 4,
        "results_ref": "results/manifest.json",
        "resent_at": NOW,
        "held_until": NOW,
        "asked_until": LATER,
        "opens_at": LATER,
        "expires_at": LATER + timedelta(days=1),
        "usage": Usage(attempts=1_000_001, worker_ms=10**12),
        "events": (TimelineEvent(gen=2, what=TimelineKind.RETRIED, at=NOW, by="k", tasks=1),),
    }
    # What `happened` is appended to the events: test_store_insight.py.
    assert changes.keys() == JobChanges.__annotations__.keys() - {"happened"}
    changed = store.update_job(job_id, JobGuard(), **changes)
    assert changed == replace(make_job(job_id), **changes)  # type: ignore[misc]
    assert store.get_job(job_id) == changed


def test_a_job_leaves_the_due_ones_when_it_ends_or_has_no_next_check(
    store: Store, job_id: str
) -> None:
    early = NOW - timedelta(days=9000)
    store.put_job(make_job(job_id, next_check_at=early))
    assert store.list_due_jobs(early, 1) == [job_id]
    store.update_job(job_id, JobGuard(), next_check_at=None)
    assert store.list_due_jobs(early, 1) == []
    store.update_job(job_id, JobGuard(), next_check_at=early)
    store.update_job(job_id, JobGuard(), state=JobState.FAILED)
    assert store.list_due_jobs(early, 1) == []


def test_the_longest_overdue_jobs_are_listed_first(store: Store) -> None:
    early = NOW - timedelta(days=9999)
    jobs = {str(ULID()): early + timedelta(seconds=-second) for second in range(12)}
    for job_id, due in jobs.items():
        store.put_job(make_job(job_id, next_check_at=due))
    by_due = sorted(jobs, key=lambda job_id: jobs[job_id])
    assert store.list_due_jobs(early, 5) == by_due[:5]
    assert store.list_due_jobs(early, 50) == by_due
    for job_id in jobs:
        store.update_job(job_id, JobGuard(), next_check_at=LATER)


@pytest.mark.parametrize("name", ["failed", "cancelled", "skipped"])
def test_a_set_of_all_250_tasks_is_emptied_by_reopening_them(
    store: Store, job_id: str, name: SetName
) -> None:
    every = frozenset(range(250))
    store.begin_close(job_id, 0, 1, LATER)
    full = store.end_close(job_id, 0, 1, {name: every}, LATER)
    assert full is not None
    assert full.members(name) == every
    opened = store.reopen_leaf(job_id, 0, 2, every, LATER)
    assert opened == Leaf(gen=2, ver=3, retry=every)
    assert store.get_leaf(job_id, 0) == opened


def test_a_change_of_no_tasks_still_has_its_other_effects(store: Store, job_id: str) -> None:
    assert store.add_to_leaf(job_id, 0, 1, {"ok": frozenset()}, LATER) == Leaf(ver=1)
    store.begin_close(job_id, 0, 1, LATER)
    store.end_close(job_id, 0, 1, {"ok": frozenset(), "failed": frozenset({1})}, LATER)
    opened = store.reopen_leaf(job_id, 0, 2, frozenset(), LATER)
    assert opened == Leaf(gen=2, ver=4, failed=frozenset({1}))


def test_of_many_that_advance_a_cursor_at_once_one_wins(atomic: Store, job_id: str) -> None:
    atomic.put_job(make_job(job_id))

    def advance(number: int) -> Job | None:
        return atomic.update_job(job_id, JobGuard(gen=1, cursor=0), cursor=number)

    with ThreadPoolExecutor(8) as pool:
        won = [job for job in pool.map(advance, range(1, 17)) if job is not None]
    assert len(won) == 1
    assert atomic.get_job(job_id) == won[0]


def test_reports_that_meet_in_one_leaf_all_count(atomic: Store, job_id: str) -> None:
    def add(number: int) -> Leaf | None:
        return atomic.add_to_leaf(job_id, 0, 1, {"ok": frozenset({number % 8})}, LATER)

    with ThreadPoolExecutor(8) as pool:
        leaves = list(pool.map(add, range(16)))
    assert all(leaf is not None for leaf in leaves)
    assert atomic.get_leaf(job_id, 0) == Leaf(ver=16, ok=frozenset(range(8)))
