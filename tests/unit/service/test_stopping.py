"""Cancel, deadline and tolerated failures: one write stops a job anywhere, and it ends with exact counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from orchestrator.errors import Conflict
from orchestrator.model.items import Job
from orchestrator.model.states import JobState, Outcome, TaskState
from orchestrator.model.wire import CompleteIn, HeartbeatIn, RunningTask
from orchestrator.service.audit import audit_job
from orchestrator.service.beat import heartbeat
from orchestrator.service.control import cancel_job
from orchestrator.service.finish import drained
from orchestrator.service.ports import JobGuard
from orchestrator.service.read import job_results, read_job
from orchestrator.service.report import complete
from orchestrator.service.sweep import sweep
from tests.fakes.cluster import ALICE, Cluster, report_of, succeed
from tests.fakes.lives import begun, cancel, odd_fail, stopped

FAIL_ONCE = {"max_attempts": 1}


def counts(cluster: Cluster) -> dict[str, int]:
    """Return the counts that are not 0, after checking their sum."""
    job = read_job(cluster.world.deps, ALICE, cluster.job_id)
    found = job.counts.model_dump()
    assert sum(found.values()) == job.total
    return {state: count for state, count in found.items() if count}


def assert_clean(cluster: Cluster) -> None:
    """Hold rows, sets, counts and results to each other."""
    page = audit_job(cluster.world.deps, ALICE, cluster.job_id, first=None, limit=64, cursor=None)
    assert page.verdict == "clean", page.findings
    results = job_results(cluster.world.deps, ALICE, cluster.job_id)
    assert results.lines == page.total


def created(cluster: Cluster, **fields: object) -> None:
    cluster.submit(**fields)


def enqueuing(cluster: Cluster, **fields: object) -> None:
    cluster.submit(**fields)
    deps = cluster.world.deps
    deps.store.update_job(cluster.job_id, JobGuard(), state=JobState.ENQUEUING)


def processing(cluster: Cluster, **fields: object) -> None:
    begun(cluster, **fields)


STATES = (created, enqueuing, processing)


@pytest.mark.parametrize("total", [1, 1_000, 40_000])
@pytest.mark.parametrize("reach", STATES)
def test_cancel_is_one_write_at_any_size_in_any_state(
    reach: Callable[..., None], total: int
) -> None:
    cluster, writes = Cluster(), list[str]()
    reach(cluster, tasks={"count": total})
    cluster.world.store.before_write = writes.append
    for _ in range(3):  # A second and a third change nothing.
        job = cancel_job(cluster.world.deps, ALICE, cluster.job_id)
        assert job.state is JobState.STOPPING
        assert (job.stop and job.stop.reason, job.stop and job.stop.by) == ("cancel", "alice")
    assert writes == ["update_job"]


@pytest.mark.parametrize("reach", STATES)
def test_a_job_that_is_cancelled_before_any_report_ends_cancelled_as_a_whole(
    reach: Callable[..., None],
) -> None:
    cluster = Cluster()
    reach(cluster, tasks={"count": 600})
    cancel(cluster)
    cluster.begin()
    assert cluster.woken
    assert cluster.end() == "CANCELLED"
    assert counts(cluster) == {"cancelled": 600}
    assert_clean(cluster)
    with pytest.raises(Conflict):
        cancel(cluster)


def cancel_at(cluster: Cluster, number: int, *, after: bool) -> Callable[[], bool]:
    """Let another request cancel the job at its n-th write; return whether that has come."""
    store, left, done = cluster.world.store, [number], [False]

    def hook(_: str) -> None:
        left[0] -= 1
        if left[0] == 0 and store.get_job(cluster.job_id) is not None:
            store.before_write = store.after_write = lambda _: None
            done[0] = True
            if not cluster.job.state.final:
                cancel(cluster)

    if after:
        store.after_write = hook
    else:
        store.before_write = hook
    return lambda: done[0]


def handle(index: int, attempt: int) -> Outcome:
    return Outcome.FAILED if index % 3 == 1 else Outcome.SUCCEEDED


def check_end(cluster: Cluster, state: str, total: int) -> None:
    """Hold the job's end to what its rows say: every committed outcome counts once, the rest is CANCELLED."""
    found = counts(cluster)
    assert found.keys() <= {"succeeded", "failed", "cancelled"}
    assert state == ("CANCELLED" if "cancelled" in found else "FAILED")
    rows = cluster.world.store.tables.tasks.values()
    for name, kept in (("succeeded", TaskState.SUCCEEDED), ("failed", TaskState.FAILED)):
        assert sum(row.state is kept for row in rows) == found.get(name, 0)
    assert sum(found.values()) == total
    assert_clean(cluster)


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("number", range(1, 75))
def test_a_cancel_at_any_moment_ends_the_job_with_exact_counts(number: int, after: bool) -> None:
    cluster = Cluster()
    cluster.submit(tasks={"count": 24}, tasks_per_message=8, retry=FAIL_ONCE)
    came = cancel_at(cluster, number, after=after)
    cluster.begin()
    for message in cluster.messages():
        cluster.world.wait(1)
        assert set(cluster.report(message, handle)) == {"committed"}
    state = cluster.end()
    assert came() or number > 40
    check_end(cluster, state, 24)


@pytest.mark.parametrize("number", range(1, 60))
def test_a_cancel_at_any_moment_of_a_retry_leaves_what_had_ended(number: int) -> None:
    first = begun(Cluster(), tasks={"count": 20}, retry=FAIL_ONCE)
    first.work(odd_fail)
    first.end()
    again = first.retry(tasks="failed")
    came = cancel_at(again, number, after=True)
    again.begin()
    for message in again.messages():
        again.report(message)
    state = again.end()
    found = counts(again)
    assert came() or number > 30
    assert found["succeeded"] >= 10
    assert found.keys() <= {"succeeded", "failed", "cancelled"}
    assert state in ("SUCCEEDED", "CANCELLED", "FAILED")
    assert (state == "SUCCEEDED") == (found == {"succeeded": 20})
    assert_clean(again)


def test_reports_count_until_their_leaf_is_closed_and_are_closed_after_that() -> None:
    cluster = begun(Cluster(), tasks={"count": 500}, tasks_per_message=25)
    first, second, third, *_ = cluster.messages()
    cancel(cluster)
    assert set(cluster.report(first, odd_fail)) == {"committed"}
    before = counts(cluster)
    assert cluster.world.store.begin_close(cluster.job_id, 0, 1, cluster.job.expires_at)
    assert set(cluster.report(second)) == {"closed"}
    assert counts(cluster) == before
    # The row of the late report was written, and its leaf was closed before its rows were read: it counts.
    assert cluster.end() == "CANCELLED"
    assert counts(cluster)["succeeded"] == 13 + 25
    assert set(cluster.report(third)) == {"closed"}
    assert counts(cluster)["succeeded"] == 13 + 25
    assert_clean(cluster)


def test_a_report_after_its_leaf_is_done_changes_no_count_though_the_job_has_not_ended() -> None:
    cluster = begun(Cluster(), tasks={"count": 300})
    message, *_ = cluster.messages()
    cancel(cluster)
    store, set_final = cluster.world.store, cluster.world.store.update_job
    late: list[str] = []

    def update_job(*args: Any, **changes: Any) -> Job | None:
        if "final_counts" in changes and not late:
            late.extend(cluster.report(message))
        return set_final(*args, **changes)

    store.update_job = update_job  # type: ignore[method-assign]
    assert cluster.end() == "CANCELLED"
    assert set(late) == {"closed"}
    assert counts(cluster) == {"cancelled": 300}
    page = audit_job(cluster.world.deps, ALICE, cluster.job_id, first=None, limit=64, cursor=None)
    assert (page.verdict, set(page.kinds)) == ("clean", {"late_commit"})


def stop_by_deadline(cluster: Cluster) -> None:
    cluster.world.wait(101)
    sweep(cluster.world.deps, lambda: 40.0)


STOPS: dict[str, tuple[Callable[[Cluster], None], dict[str, object], str, str]] = {
    "cancel": (cancel, {}, "cancelled", "CANCELLED"),
    "deadline": (stop_by_deadline, {"deadline_seconds": 100}, "skipped", "FAILED"),
}


@pytest.mark.parametrize("reason", STOPS)
def test_a_handler_that_heeds_the_stop_is_no_failure(reason: str) -> None:
    stop, fields, ended, state = STOPS[reason]
    cluster = begun(Cluster(), tasks={"count": 2}, tasks_per_message=1, **fields)
    messages = cluster.messages()
    stop(cluster)
    for message in messages:
        assert cluster.report(message, stopped) == ["closed"]
    assert cluster.end() == state
    assert counts(cluster) == {ended: 2}
    assert_clean(cluster)


def test_a_handler_that_says_cancelled_where_nobody_cancelled_has_failed() -> None:
    cluster = begun(Cluster(), tasks={"count": 2})
    cluster.work(stopped)
    assert cluster.end() == "FAILED"
    assert counts(cluster) == {"failed": 2}


def test_what_runs_hears_of_the_stop_and_the_end_waits_for_it_within_the_grace() -> None:
    cluster = begun(Cluster(), tasks={"count": 3}, tasks_per_message=1)
    deps = cluster.world.deps
    message, *_ = cluster.messages()
    task = RunningTask(job=cluster.job_id, index=0, attempt=1, since_ms=10)
    busy = HeartbeatIn(version="1", slots=1, handlers=["echo"], running=[task])
    heartbeat(deps, "w-1", busy)
    cancel(cluster)
    assert heartbeat(deps, "w-1", busy).jobs[cluster.job_id].state is JobState.STOPPING
    assert drained(deps, cluster.job_id, 1) == {"drained": False}
    complete(deps, CompleteIn(worker_id="w-1", reports=[report_of(message, 0, Outcome.CANCELLED)]))
    heartbeat(deps, "w-1", busy.model_copy(update={"running": []}))
    assert drained(deps, cluster.job_id, 1) == {"drained": True}
    heartbeat(deps, "w-2", busy)  # One that does not heed it.
    assert drained(deps, cluster.job_id, 1) == {"drained": False}
    cluster.world.wait(30)
    heartbeat(deps, "w-2", busy)
    assert drained(deps, cluster.job_id, 1) == {"drained": True}


@pytest.mark.parametrize("reach", STATES)
def test_a_deadline_stops_a_job_in_any_state_and_skips_the_rest(
    reach: Callable[..., None],
) -> None:
    cluster = Cluster()
    reach(cluster, tasks={"count": 300}, deadline_seconds=100)
    sent = cluster.messages()
    if sent:
        cluster.report(sent[0])
    ended = len(sent[0].tasks()) if sent else 0
    stop_by_deadline(cluster)
    job = cluster.job
    assert (job.state, job.state_reason) == (JobState.STOPPING, "deadline")
    assert cluster.woken or not sent
    cluster.begin()
    assert cluster.end() == "FAILED"
    assert counts(cluster) == {
        state: count for state, count in (("succeeded", ended), ("skipped", 300 - ended)) if count
    }
    assert_clean(cluster)


@pytest.mark.parametrize("seconds", [61, 100, 179, 200, 599, 601, 3_600])
def test_a_deadline_is_noticed_by_the_next_sweep_however_long_the_job_stood_still(
    seconds: int,
) -> None:
    cluster = begun(Cluster(), tasks={"count": 10}, deadline_seconds=seconds)
    begin = cluster.world.clock
    while cluster.job.state is JobState.PROCESSING:
        cluster.world.wait(60)
        sweep(cluster.world.deps, lambda: 40.0)
    late = cluster.world.clock - begin - timedelta(seconds=seconds)
    assert timedelta(0) <= late < timedelta(seconds=60)


def test_a_job_that_ended_before_its_deadline_is_left_alone_and_a_retry_begins_it_anew() -> None:
    cluster = begun(Cluster(), tasks={"count": 4}, retry=FAIL_ONCE, deadline_seconds=100)
    cluster.work(odd_fail)
    cluster.end()
    stop_by_deadline(cluster)
    assert cluster.job.state is JobState.FAILED
    again = cluster.retry()
    again.begin()
    stop_by_deadline(again)
    assert again.job.state is JobState.STOPPING
    assert again.end() == "FAILED"
    assert counts(again) == {"succeeded": 2, "skipped": 2}


def first_fail(number: int) -> Callable[[int, int], Outcome]:
    """Return a handler that fails the first `number` tasks."""
    return lambda index, attempt: Outcome.FAILED if index < number else Outcome.SUCCEEDED


TOLERANCES: list[tuple[dict[str, Any], int]] = [
    ({}, 0),
    ({"count": 0}, 0),
    ({"count": 3}, 3),
    ({"count": 40}, 40),
    ({"percent": 0.0}, 0),
    ({"percent": 10.0}, 4),
    ({"percent": 12.4}, 4),
    ({"percent": 12.5}, 5),
    ({"percent": 100.0}, 40),
]


@pytest.mark.parametrize(("tolerance", "most"), TOLERANCES)
def test_failures_up_to_the_tolerance_are_tolerated_and_one_more_is_not(
    tolerance: dict[str, Any], most: int
) -> None:
    for failures, state in ((most, "SUCCEEDED"), (most + 1, "FAILED")):
        if failures > 40:
            continue
        cluster = begun(
            Cluster(), tasks={"count": 40}, retry=FAIL_ONCE, tolerated_failures=tolerance
        )
        cluster.work(first_fail(failures))
        assert cluster.end() == state
        assert counts(cluster).get("failed", 0) == failures
        assert "skipped" not in counts(cluster)


@pytest.mark.parametrize(("tolerance", "most"), [t for t in TOLERANCES if t[1] < 40])
def test_one_failure_too_many_stops_a_job_that_says_so_at_once(
    tolerance: dict[str, Any], most: int
) -> None:
    cluster = begun(
        Cluster(),
        tasks={"count": 40},
        tasks_per_message=1,
        retry=FAIL_ONCE,
        tolerated_failures={**tolerance, "when_exceeded": "stop"},
    )
    *some, last, busy = cluster.messages()[: most + 2]
    for message in some:  # In the same half second: the throttle must not hold failures back.
        cluster.report(message, first_fail(40))
    assert cluster.job.state is JobState.PROCESSING
    cluster.report(last, first_fail(40))
    job = cluster.job
    assert (job.state, job.state_reason) == (JobState.STOPPING, "tolerance")
    assert cluster.woken
    assert cluster.report(busy, stopped) == ["closed"]
    assert cluster.end() == "FAILED"
    assert counts(cluster) == {"failed": most + 1, "skipped": 39 - most}
    assert_clean(cluster)


def test_a_leaf_is_closed_by_one_write_where_all_its_tasks_have_ended_and_by_two_elsewhere() -> (
    None
):
    cluster = begun(Cluster(), tasks={"count": 750}, tasks_per_message=25)
    for message in cluster.messages()[:12]:
        cluster.report(message)
    cancel(cluster)
    writes: Counter[str] = Counter()
    cluster.world.store.after_write = lambda name: writes.update([name])
    assert cluster.end() == "CANCELLED"
    assert (writes["begin_close"], writes["end_close"], writes["push_leaves"]) == (3, 2, 1)
    assert counts(cluster) == {"succeeded": 300, "cancelled": 450}
    assert_clean(cluster)


def test_a_stopped_job_whose_tasks_had_all_ended_ends_by_their_outcome() -> None:
    for handler, state in ((succeed, "SUCCEEDED"), (odd_fail, "FAILED")):
        cluster = begun(Cluster(), tasks={"count": 10}, retry=FAIL_ONCE)
        cluster.work(handler)
        cancel(cluster)
        assert cluster.end() == state
        assert_clean(cluster)


def test_a_job_of_which_a_part_was_stopped_and_never_retried_has_not_succeeded() -> None:
    cluster = begun(Cluster(), tasks={"count": 40}, tasks_per_message=10, retry=FAIL_ONCE)
    cluster.report(cluster.messages()[0], odd_fail)
    cancel(cluster)
    cluster.end()
    again = cluster.retry(tasks="failed")
    again.begin()
    again.work()
    assert again.end() == "FAILED"
    assert counts(again) == {"succeeded": 10, "cancelled": 30}
    assert again.job.state_reason == "30 of 40 tasks were stopped earlier and not retried"
    third = again.retry()
    third.begin()
    third.work()
    assert third.end() == "SUCCEEDED"
    assert counts(third) == {"succeeded": 40}
    assert_clean(third)
