"""Interleavings of two generations or two executions of a job (PROTOCOL, last table)."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from orchestrator.errors import Conflict, Superseded
from orchestrator.model.progress import Leaf
from orchestrator.model.states import JobState, Outcome, TaskState
from orchestrator.model.wire import CompleteIn, HeartbeatIn, TaskMessage
from orchestrator.service.beat import heartbeat
from orchestrator.service.create import create_tasks
from orchestrator.service.finish import finish_last, finish_node
from orchestrator.service.monitor import monitor_job
from orchestrator.service.plan import plan_tasks
from orchestrator.service.report import complete
from orchestrator.service.submit import submit_job
from tests.fakes.cluster import ALICE, Cluster, report_of, submission
from tests.unit.service.overtaking import dying, overtake
from tests.unit.service.played import cancel, counts, fail, row, started, sweep_after

NODE = 0


def ended(count: int = 2, **fields: object) -> Cluster:
    """Return a job all of whose tasks have failed."""
    cluster = started(count, retry={"max_attempts": 1}, **fields)
    cluster.work(fail)
    assert cluster.end() == "FAILED"
    return cluster


# ---- tokens


def test_a_last_report_that_stalls_does_not_wake_the_generation_after_it() -> None:
    cluster = started(2, retry={"max_attempts": 1}, tasks_per_message=2)
    (message,) = cluster.messages()

    def end_and_retry() -> None:
        sweep_after(cluster, 130)
        assert cluster.woken
        assert cluster.end() == "FAILED"
        cluster.retry().begin()

    overtake(cluster.world, "push_node", end_and_retry, after=True)
    assert cluster.report(message, fail) == ["committed", "committed"]
    again = Cluster(world=cluster.world, job_id=cluster.job_id, gen=2)
    assert again.job.token == again.token
    assert not again.woken


@pytest.mark.parametrize("before", ["read and write of the token", "the token"])
def test_a_cancel_beside_the_monitor_wakes_the_machine(before: str) -> None:
    cluster = Cluster()
    cluster.submit()
    deps, job_id = cluster.world.deps, cluster.job_id
    plan_tasks(deps, job_id, 1, 1)
    create_tasks(deps, job_id, 1, 1, NODE)
    cluster.enqueue(in_machine=True)
    if before == "the token":
        cancel(cluster)
    else:
        overtake(cluster.world, "update_job", lambda: cancel(cluster))
    monitor_job(deps, job_id, 1, 1, cluster.token)
    assert cluster.world.machine.outputs[cluster.token]["stopping"] is True


def test_a_cancel_after_the_monitor_has_the_token_to_send() -> None:
    cluster = started()
    cancel(cluster)
    assert cluster.world.machine.outputs[cluster.token]["stopping"] is True


def test_the_sweep_sends_the_token_that_a_dying_cancel_did_not() -> None:
    cluster = started()
    with dying(cluster.world, "update_job", after=True):
        cancel(cluster)
    assert not cluster.woken
    sweep_after(cluster, 61)
    assert cluster.world.machine.outputs[cluster.token]["stopping"] is True


def test_the_sweep_sends_the_token_that_the_last_report_did_not() -> None:
    cluster = started()
    (message,) = cluster.messages()
    with dying(cluster.world, "push_node", after=True):
        cluster.report(message)
    assert not cluster.woken
    sweep_after(cluster, 130)
    assert cluster.woken


def test_the_sweep_starts_a_job_that_was_cancelled_before_it_was_started() -> None:
    cluster = Cluster()
    with dying(cluster.world, "put_job", after=True):
        cluster.submit()
    (cluster.job_id,) = cluster.world.store.tables.jobs
    cancel(cluster)
    assert not cluster.world.machine.executions
    sweep_after(cluster, 61)
    assert (cluster.job_id, 1, 1) in cluster.world.machine.executions
    plan_tasks(cluster.world.deps, cluster.job_id, 1, 1)
    assert cluster.end() == "CANCELLED"


def test_a_submission_whose_reply_was_lost_is_the_same_job() -> None:
    cluster = Cluster()
    for write in ("put_idem", "put_job"):
        with dying(cluster.world, write, after=True):
            submit_job(cluster.world.deps, ALICE, submission(), idempotency_key="k", request_id="r")
    job, created = submit_job(
        cluster.world.deps, ALICE, submission(), idempotency_key="k", request_id="r"
    )
    assert not created
    assert list(cluster.world.store.tables.jobs) == [job.job_id]
    assert (job.job_id, 1, 1) in cluster.world.machine.executions


# ---- reopening


def test_a_reopened_job_is_not_complete_before_its_tasks_are() -> None:
    again = ended().retry()
    deps, job_id = again.world.deps, again.job_id
    beat = HeartbeatIn(version="1", slots=1, handlers=["echo"], touched={job_id: [NODE]})
    heartbeat(deps, "w-1", beat)
    plan_tasks(deps, job_id, 2, 1)
    heartbeat(deps, "w-1", beat)
    create_tasks(deps, job_id, 2, 1, NODE)
    assert counts(again).retrying == 2
    again.enqueue(in_machine=True)
    monitor_job(deps, job_id, 2, 1, again.token)
    assert not again.woken


def test_a_reopening_that_was_refused_its_leaf_pushes_all_the_same() -> None:
    again = ended().retry()
    plan_tasks(again.world.deps, again.job_id, 2, 1)
    with dying(again.world, "push_leaves"):
        create_tasks(again.world.deps, again.job_id, 2, 1, NODE)
    create_tasks(again.world.deps, again.job_id, 2, 1, NODE)
    assert counts(again).retrying == 2


@pytest.mark.parametrize("written", range(3))
def test_a_leaf_is_open_only_when_its_rows_are_of_its_generation(written: int) -> None:
    again = ended(3).retry()
    plan_tasks(again.world.deps, again.job_id, 2, 1)
    left = [written]

    def look(name: str) -> None:
        left[0] -= name == "write_task"
        leaf = again.world.store.get_leaf(again.job_id, 0)
        assert leaf is not None
        reopened = [row(again, index).gen == 2 for index in range(3)]
        assert leaf.closed == "done" or all(reopened)

    again.world.store.after_write = look
    create_tasks(again.world.deps, again.job_id, 2, 1, NODE)
    assert left[0] < 0


def test_a_report_that_stalls_over_a_retry_changes_nothing_of_the_next_generation() -> None:
    cluster = started(2, retry={"max_attempts": 1}, tasks_per_message=1)
    first, second = cluster.messages()
    cluster.report(second, fail)

    def end_and_retry() -> None:
        cancel(cluster)
        assert cluster.end() == "CANCELLED"
        cluster.retry(indexes=[0, 1]).begin()

    overtake(cluster.world, "write_task", end_and_retry)
    assert cluster.report(first) == ["stale"]
    stands = row(cluster, 0)
    assert (stands.gen, stands.attempt, stands.state) == (2, 2, TaskState.PENDING)
    assert counts(cluster).succeeded == 0
    assert counts(cluster).retrying == 2


def test_an_older_generation_s_outcome_of_the_same_attempt_is_not_taken_for_the_own() -> None:
    cluster = ended(1)
    message = TaskMessage(
        job=cluster.job_id, gen=2, attempt=1, start=0, stop=1, handler="echo", timeout_seconds=1
    )
    again = cluster.retry()
    answer = complete(
        cluster.world.deps,
        CompleteIn(worker_id="w-9", reports=[report_of(message, 0, Outcome.FAILED)]),
    )
    assert answer.reports == ["stale"]
    again.begin()
    assert counts(again).failed == 0


def test_the_step_of_a_dead_execution_cannot_reopen_a_leaf_after_the_end() -> None:
    again = ended().retry()
    deps, job_id = again.world.deps, again.job_id
    plan_tasks(deps, job_id, 2, 1)

    def stop_and_end() -> None:
        cancel(again)
        assert again.end() == "FAILED"

    overtake(again.world, "reopen_leaf", stop_and_end)
    create_tasks(deps, job_id, 2, 1, NODE)
    leaf = again.world.store.get_leaf(job_id, 0)
    assert leaf is not None
    assert (leaf.closed, leaf.gen, len(leaf.failed)) == ("done", 2, 2)
    third = again.retry()
    third.begin()
    third.work()
    assert third.end() == "SUCCEEDED"


def test_the_step_of_a_dead_execution_creates_no_leaf_anew_after_the_end() -> None:
    cluster = Cluster()
    cluster.submit()
    plan_tasks(cluster.world.deps, cluster.job_id, 1, 1)

    def stop_and_end() -> None:
        cancel(cluster)
        assert cluster.end() == "CANCELLED"

    overtake(cluster.world, "create_leaf", stop_and_end)
    create_tasks(cluster.world.deps, cluster.job_id, 1, 1, NODE)
    leaf = cluster.world.store.get_leaf(cluster.job_id, 0)
    assert leaf is not None
    assert leaf.closed == "done"


def test_a_stalled_end_does_not_close_what_was_reopened() -> None:
    cluster = started(2)
    cancel(cluster)

    def end_and_retry() -> None:
        assert cluster.end() == "CANCELLED"
        again = cluster.retry(indexes=[0, 1])
        again.begin()

    overtake(cluster.world, "end_close", end_and_retry)
    finish_node(cluster.world.deps, cluster.job_id, 1, NODE)
    leaf = cluster.world.store.get_leaf(cluster.job_id, 0)
    assert leaf is not None
    assert (leaf.closed, leaf.gen, leaf.cancelled) == (None, 2, frozenset())
    with pytest.raises(Superseded):
        finish_node(cluster.world.deps, cluster.job_id, 1, NODE)


def test_a_stalled_end_does_not_end_what_the_next_generation_is_closing() -> None:
    cluster = started(2)
    cancel(cluster)

    def retry_stop_and_die() -> None:
        assert cluster.end() == "CANCELLED"
        again = cluster.retry()
        again.begin()
        again.report(again.messages()[0])
        cancel(again)
        with dying(again.world, "end_close"):
            again.end()

    overtake(cluster.world, "end_close", retry_stop_and_die)
    finish_node(cluster.world.deps, cluster.job_id, 1, NODE)
    leaf = cluster.world.store.get_leaf(cluster.job_id, 0)
    assert leaf is not None
    assert (leaf.closed, leaf.gen, leaf.cancelled) == ("closing", 2, frozenset())
    again = Cluster(world=cluster.world, job_id=cluster.job_id, gen=2)
    again.end()
    assert counts(again).succeeded + counts(again).cancelled == 2


def test_a_late_row_of_a_cancelled_generation_is_not_counted_in_the_next() -> None:
    cluster = started(2, tasks_per_message=1)
    first, _ = cluster.messages()
    cancel(cluster)
    overtake(cluster.world, "end_close", lambda: cluster.report(first))
    assert cluster.end() == "CANCELLED"
    assert row(cluster, 0).state is TaskState.SUCCEEDED
    again = cluster.retry(indexes=[1])
    tables = cluster.world.store.tables
    tables.leaves[cluster.job_id, 0] = Leaf(gen=2, ver=9, retry=frozenset({1}))
    cancel(again)
    plan_tasks(again.world.deps, again.job_id, 2, 1)
    assert again.end() == "CANCELLED"
    assert counts(again).cancelled == 2


def test_a_retry_that_died_before_its_generation_is_not_done_later() -> None:
    cluster = ended()
    with dying(cluster.world, "update_job"):
        cluster.retry("first")
    again = cluster.retry("second")
    again.begin()
    again.work(fail)
    assert again.end() == "FAILED"
    cluster.retry("first")
    assert (cluster.job.gen, cluster.job.state) == (2, JobState.FAILED)


def test_a_retry_that_stalls_over_another_and_its_end_is_refused() -> None:
    cluster = ended()

    def retry_and_end() -> None:
        again = cluster.retry()
        again.begin()
        again.work(fail)
        assert again.end() == "FAILED"

    overtake(cluster.world, "update_job", retry_and_end)
    with pytest.raises(Conflict):
        cluster.retry()
    assert (cluster.job.gen, cluster.job.state) == (2, JobState.FAILED)


def test_of_two_ends_of_a_generation_one_sets_the_last_state() -> None:
    cluster = started(2)
    cluster.work()

    def end() -> None:
        cluster.world.wait(5)
        assert cluster.end() == "SUCCEEDED"

    deps, job_id = cluster.world.deps, cluster.job_id
    parts = [finish_node(deps, job_id, 1, NODE)]
    overtake(cluster.world, "update_job", end)
    finish_last(deps, job_id, 1, parts)
    assert cluster.job.finished_at == cluster.world.clock
    cluster.world.wait(5)
    finished = [name for name, _ in cluster.world.journal.events if name == "job.finished"]
    assert len(finished) == 1


def test_a_row_that_no_set_counts_yet_is_counted_when_its_leaf_is_closed() -> None:
    cluster = started(2, tasks_per_message=1)
    first, _ = cluster.messages()
    with dying(cluster.world, "add_to_leaf"):
        cluster.report(first)
    cancel(cluster)
    assert cluster.end() == "CANCELLED"
    assert (counts(cluster).succeeded, counts(cluster).cancelled) == (1, 1)


def _stalled_at(cluster: Cluster, read: str, action: Callable[[], object]) -> None:
    """Let `action` happen right after the next such read: its answer is old when it is used."""
    store = cluster.world.store
    original = getattr(store, read)

    def stalled(*args: object) -> object:
        answer = original(*args)
        setattr(store, read, original)
        action()
        return answer

    setattr(store, read, stalled)


@pytest.mark.parametrize("read", ["get_nodes", "get_root"])
@pytest.mark.parametrize("caller", ["heartbeat", "sweep"])
def test_who_saw_root_before_a_reopening_does_not_wake_the_machine_after_it(
    caller: str, read: str
) -> None:
    """The old ROOT says that all has ended; by the time the job is read again, it is PROCESSING."""
    cluster = ended()
    again = cluster.retry()
    _stalled_at(cluster, read, again.begin)
    if caller == "sweep":
        sweep_after(again, 400)
    else:
        body = HeartbeatIn(
            version="1", slots=1, handlers=[], running=[], touched={cluster.job_id: [NODE]}
        )
        heartbeat(cluster.world.deps, "w-1", body)
    assert not again.woken
    if again.job.state is not JobState.PROCESSING:
        again.begin()
    again.work()
    assert again.woken
