"""Priority among a tenant's jobs: who sends, who waits, and that nothing is left waiting."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import pytest

from orchestrator.model.items import Role
from orchestrator.model.states import JobState
from orchestrator.policy import WINDOW_MIN_TASKS
from orchestrator.service.access import Caller
from orchestrator.service.control import cancel_job
from orchestrator.service.priority import HELD
from orchestrator.service.read import read_job
from orchestrator.service.submit import submit_job
from orchestrator.service.sweep import sweep
from tests.fakes.cluster import ALICE, Cluster, submission
from tests.fakes.world import World
from tests.unit.service.overtaking import overtake
from tests.unit.service.played import cancel, fail, sweep_after
from tests.unit.service.test_crashes import Crashed, crash_at, disarm

CAP = 4


def job(world: World, priority: int, total: int = 3 * CAP, **fields: object) -> Cluster:
    """Submit a job with a window of four tasks, and run its machine up to the wait."""
    cluster = Cluster(world=world)
    cluster.submit(
        **{"tasks": {"count": total}, "max_running": CAP, "priority": priority, **fields}
    )
    cluster.begin()
    return cluster


def sent(cluster: Cluster) -> int:
    return cluster.job.cursor


def run_enqueues(world: World) -> None:
    """Run the enqueuers that were asked for, and those that they ask for."""
    while world.enqueues:
        job_id, gen = world.enqueues.pop(0)
        found = world.store.get_job(job_id)
        if found is not None and not found.state.final:
            Cluster(world=world, job_id=job_id, gen=gen).enqueue()


def report_all(*clusters: Cluster) -> None:
    """Report what is in the queue, each to its job; nobody refills."""
    for message in clusters[0].messages():
        clusters[0].world.wait(1)
        clusters[0].report(message)


def drain(world: World) -> None:
    """Report and refill until nothing moves."""
    for _ in range(60):
        messages = Cluster(world=world).messages()
        for message in messages:
            world.wait(1)
            Cluster(world=world, job_id=message.job).report(message)
        run_enqueues(world)
        if not messages and not world.queue.sent:
            return
    raise AssertionError("the queue never ran dry")


def test_a_job_has_the_priority_it_was_submitted_with_five_by_default() -> None:
    cluster = Cluster()
    assert cluster.submit().priority == 5
    assert cluster.submit(priority=9).priority == 9
    assert read_job(cluster.world.deps, ALICE, cluster.job_id).priority == 9


def test_a_lower_job_sends_nothing_while_a_higher_one_has_unsent_tasks() -> None:
    high = job(World(), 6)
    low = job(high.world, 5)
    assert (sent(high), sent(low), low.job.state) == (CAP, 0, JobState.PROCESSING)
    assert low.job.held_until is not None


def test_what_a_job_has_sent_stays_when_a_higher_one_comes() -> None:
    low = job(World(), 0)
    high = job(low.world, 1)
    report_all(low)
    run_enqueues(low.world)
    assert (sent(low), sent(high)) == (CAP, 2 * CAP)


def test_jobs_of_one_priority_do_not_wait_for_each_other() -> None:
    first = job(World(), 5)
    assert sent(job(first.world, 5)) == CAP


def test_another_tenant_s_job_is_not_held() -> None:
    high = job(World(), 9)
    bob = Caller("other", Role.ADMIN, "bob")
    body = submission(priority=0, max_running=CAP)
    out, _ = submit_job(high.world.deps, bob, body, idempotency_key=None, request_id="r")
    other = Cluster(world=high.world, job_id=out.job_id)
    other.begin()
    assert sent(other) == CAP


def test_a_job_that_is_not_planned_yet_holds_nobody() -> None:
    high = Cluster()
    high.submit(priority=9)
    assert sent(job(high.world, 1)) == CAP


def test_the_last_enqueue_of_the_higher_job_wakes_the_next_lower_ones() -> None:
    high = job(World(), 9, total=2 * CAP)
    lower, lowest = job(high.world, 4), job(high.world, 2)
    same = job(high.world, 4)
    report_all(high)
    high.enqueue()
    woken = {job_id for job_id, _ in high.world.enqueues}
    assert {lower.job_id, same.job_id} <= woken
    run_enqueues(high.world)
    assert (sent(lower), sent(same), sent(lowest)) == (CAP, CAP, 0)


def test_the_stop_of_the_higher_job_wakes_the_lower_ones() -> None:
    high = job(World(), 9)
    low = job(high.world, 4)
    cancel(high)
    run_enqueues(high.world)
    assert sent(low) == CAP


def test_an_index_that_is_behind_holds_nobody() -> None:
    high = job(World(), 9, total=CAP)
    store = high.world.store
    store.list_unsent = lambda *_: [high.job_id]  # type: ignore[method-assign]
    assert sent(job(high.world, 4)) == CAP


@pytest.mark.parametrize(("priority", "queries", "reads"), [(9, 0, 0), (8, 1, 0), (1, 1, 1)])
def test_a_refill_asks_once_and_reads_only_what_it_found(
    monkeypatch: pytest.MonkeyPatch, priority: int, queries: int, reads: int
) -> None:
    high = job(World(), 7, total=9 * CAP)
    cluster = job(high.world, priority, total=9 * CAP)
    store, asked = high.world.store, Counter[str]()

    def counted(name: str, method: Callable[..., object]) -> Callable[..., object]:
        def call(*args: object) -> object:
            asked[name] += 1
            return method(*args)

        return call

    monkeypatch.setattr(store, "list_unsent", counted("query", store.list_unsent))
    monkeypatch.setattr(store, "get_job", counted("read", store.get_job))
    cluster.enqueue()
    assert asked["query"] == queries
    assert asked["read"] == 1 + reads, "the job itself, and the higher one"


def test_a_higher_job_that_is_retried_holds_again() -> None:
    high = job(World(), 9, total=3 * CAP, retry={"max_attempts": 1})
    while not high.woken:
        for message in high.messages():
            high.world.wait(1)
            high.report(message, fail)
        run_enqueues(high.world)
    assert high.end() == "FAILED"
    low = job(high.world, 4)
    again = high.retry()
    again.begin()
    report_all(low)
    run_enqueues(high.world)
    assert (sent(low), again.job.unsent_of) == (CAP, "acme")


def test_reports_of_a_held_job_ask_once_in_a_while() -> None:
    low = job(World(), 0, total=50)
    job(low.world, 9, total=50)
    asked = 0
    for message in low.messages():
        if message.job == low.job_id:
            low.world.wait(1)
            low.report(message)
            asked += sum(job_id == low.job_id for job_id, _ in low.world.enqueues)
            run_enqueues(low.world)
    assert asked == 1


def test_a_held_job_is_looked_after_each_minute_and_is_not_stuck() -> None:
    high = job(World(), 9)
    low = job(high.world, 4)
    for _ in range(20):
        sweep_after(high, 61)
        assert (low.job_id, 1) in low.world.enqueues
        run_enqueues(high.world)
    assert (low.job.exec, low.job.state, sent(low)) == (1, JobState.PROCESSING, 0)


def test_the_sweep_asks_though_a_report_was_told_just_now_to_wait() -> None:
    high = job(World(), 9)
    low = job(high.world, 4)
    high.world.wait(51)
    low.enqueue()
    assert low.job.held_until is not None
    assert low.job.held_until > high.world.clock
    high.world.enqueues.clear()
    sweep_after(high, 10)
    assert (low.job_id, 1) in low.world.enqueues


def test_a_held_job_meets_its_deadline() -> None:
    high = job(World(), 9)
    low = job(high.world, 4, deadline_seconds=100)
    for _ in range(2):
        sweep_after(high, 61)
    assert low.job.state is JobState.STOPPING


def test_an_idle_job_that_is_held_is_due_within_a_minute() -> None:
    """Its tasks are long, so its checks had grown rare."""
    low = job(World(), 4)
    for seconds in (61, 121, 241, 301):
        sweep_after(low, seconds)
    job(low.world, 9)
    report_all(low)
    run_enqueues(low.world)
    due = low.job.next_check_at
    assert due is not None
    assert (due - low.world.clock).total_seconds() <= 60


def finish_high(high: Cluster) -> None:
    """Let the higher job send its last tasks: its enqueuer, or the stop, is what dies in the tests."""
    high.enqueue()


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("number", range(8))
@pytest.mark.parametrize("end", [finish_high, cancel])
def test_no_death_of_the_higher_job_s_last_step_leaves_the_lower_one_held(
    end: Callable[[Cluster], None], number: int, after: bool
) -> None:
    high = job(World(), 9, total=2 * CAP)
    low = job(high.world, 4)
    world = high.world
    report_all(high)
    world.enqueues.clear()
    crash_at(world, number, after=after)
    try:
        end(high)
    except Crashed:
        world.enqueues.clear()
    disarm(world)
    for _ in range(3):
        sweep_after(high, 61)
        run_enqueues(world)
    assert sent(low) == CAP


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("number", range(8))
def test_no_death_of_a_held_job_s_step_loses_it(number: int, after: bool) -> None:
    high = job(World(), 9, total=2 * CAP)
    world = high.world
    low = Cluster(world=world)
    low.submit(tasks={"count": CAP}, max_running=CAP, priority=1)
    crash_at(world, number, after=after)
    try:
        low.begin()
    except Crashed:
        disarm(world)
        low.begin()
    disarm(world)
    drain(world)
    for _ in range(3):
        sweep_after(high, 61)
        run_enqueues(world)
        drain(world)
    assert high.woken
    assert low.woken


def test_a_higher_job_that_ends_between_the_look_and_the_note_holds_for_a_minute_at_most() -> None:
    high = job(World(), 9, total=2 * CAP)
    low = job(high.world, 4)
    report_all(high)
    high.world.wait(HELD.total_seconds())
    overtake(high.world, "update_job", high.enqueue)
    low.enqueue()
    assert sent(high) == 2 * CAP
    high.world.enqueues.clear()
    sweep_after(high, 61)
    run_enqueues(high.world)
    assert sent(low) == CAP


def test_a_job_from_before_there_were_priorities_goes_on() -> None:
    old = job(World(), 5)
    tables = old.world.store.tables
    tables.jobs[old.job_id] = replace(old.job, unsent_of=None)
    report_all(old)
    run_enqueues(old.world)
    assert sent(old) == 2 * CAP


def test_a_large_lower_job_goes_on_to_its_end_after_a_small_higher_one() -> None:
    low = Cluster()
    low.submit(tasks={"count": 3 * WINDOW_MIN_TASKS}, priority=1)
    low.begin()
    high = Cluster(world=low.world)
    high.submit(tasks={"count": 2 * WINDOW_MIN_TASKS + 1}, priority=8)
    high.begin()
    drain(low.world)
    sweep(low.world.deps, lambda: 40.0)
    assert (high.woken, low.woken) == (True, True)
    assert (high.end(), low.end()) == ("SUCCEEDED", "SUCCEEDED")


def test_a_cancelled_lower_job_ends_though_it_is_held() -> None:
    high = job(World(), 9)
    low = job(high.world, 4)
    cancel_job(low.world.deps, ALICE, low.job_id)
    assert low.woken
    assert low.end() == "CANCELLED"
