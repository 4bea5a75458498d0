"""Safeguards whose lack something else would heal later, or hide: each is looked at by itself."""

from __future__ import annotations

import pytest

from orchestrator.errors import NotComplete
from orchestrator.model.items import Outbox
from orchestrator.model.progress import Root
from orchestrator.model.states import JobState
from orchestrator.service.create import create_tasks
from orchestrator.service.finish import finish_last, finish_node, list_nodes
from orchestrator.service.monitor import monitor_job
from orchestrator.service.plan import plan_tasks
from orchestrator.service.sweep import sweep
from tests.fakes.cluster import Cluster
from tests.unit.service.overtaking import Died, dying, overtake
from tests.unit.service.played import cancel, fail, row, started, sweep_after

LONG = {"initial_seconds": 3_000, "max_seconds": 3_000}


def planned(count: int = 1, **fields: object) -> Cluster:
    """Return a job whose leaves are there and whose messages are sent, before MonitorJob."""
    cluster = Cluster()
    cluster.submit(**{"tasks": {"count": count}, **fields})
    plan_tasks(cluster.world.deps, cluster.job_id, 1, 1)
    create_tasks(cluster.world.deps, cluster.job_id, 1, 1, 0)
    cluster.enqueue(in_machine=True)
    return cluster


def test_work_that_ended_before_the_monitor_waits_wakes_it_at_once() -> None:
    """A report judges completion only while the job is PROCESSING: that of the last task came earlier."""
    cluster = planned()
    cluster.work()
    monitor_job(cluster.world.deps, cluster.job_id, 1, 1, cluster.token)
    assert cluster.woken


def test_a_job_that_was_cancelled_before_its_tasks_are_created_costs_no_writes() -> None:
    cluster = Cluster()
    cluster.submit(tasks={"count": 1_000_000})
    plan_tasks(cluster.world.deps, cluster.job_id, 1, 1)
    cancel(cluster)
    writes: list[str] = []
    cluster.world.store.before_write = writes.append
    create_tasks(cluster.world.deps, cluster.job_id, 1, 1, 0)
    assert writes == []


def test_the_end_of_a_generation_that_stalls_over_a_retry_does_not_end_the_next() -> None:
    cluster = started()
    cluster.work(fail)
    deps, job_id = cluster.world.deps, cluster.job_id
    parts = [finish_node(deps, job_id, 1, 0)]

    def end_and_retry() -> None:
        assert cluster.end() == "FAILED"
        cluster.retry().begin()

    overtake(cluster.world, "update_job", end_and_retry)
    finish_last(deps, job_id, 1, parts)
    assert (cluster.job.gen, cluster.job.state) == (2, JobState.PROCESSING)


def test_a_job_does_not_end_while_root_counts_fewer_than_its_results() -> None:
    cluster = started(2)
    cluster.work()
    deps, job_id = cluster.world.deps, cluster.job_id
    parts = [finish_node(deps, job_id, 1, node) for node in list_nodes(deps, job_id, 1)["nodes"]]
    kept = cluster.world.store.tables.roots.pop(job_id)
    assert kept != Root()
    with pytest.raises(NotComplete, match="0 ended and 2 results of 2"):
        finish_last(deps, job_id, 1, parts)
    assert not cluster.job.state.final


def test_the_first_check_of_the_sweep_sends_a_token_that_was_lost() -> None:
    """A worker that dies after the last push: its job need not stand still for two checks."""
    cluster = started()
    (message,) = cluster.messages()
    cluster.world.wait(50)
    with dying(cluster.world, "push_node", after=True):
        cluster.report(message)
    sweep_after(cluster, 11)
    assert cluster.job.checks == 0
    assert cluster.woken


def test_a_task_that_was_cancelled_between_two_attempts_is_not_run_by_a_retry_of_others() -> None:
    cluster = started(2, retry=LONG, tasks_per_message=1)
    sweep(cluster.world.deps, lambda: 40.0)
    first, _ = cluster.messages()
    cluster.report(first, fail)
    assert row(cluster, 0).due_at is not None
    cancel(cluster)
    assert cluster.end() == "CANCELLED"
    again = cluster.retry(indexes=[1])
    again.begin()
    assert [message.tasks() for message in again.messages()] == [[1]]
    again.world.store.put_outbox([_outbox(again, index=0, attempt=2, gen=1)])
    sweep_after(again, 3_200)
    assert again.messages() == []


def _outbox(cluster: Cluster, *, index: int, attempt: int, gen: int) -> Outbox:
    now = cluster.world.clock
    return Outbox(
        job_id=cluster.job_id,
        gen=gen,
        kind="retry",
        start=index,
        stop=index + 1,
        attempt=attempt,
        due_at=now,
        expires_at=now,
    )


def test_an_item_of_an_attempt_that_was_overtaken_sends_nothing() -> None:
    cluster = started(retry={"initial_seconds": 1, "max_attempts": 5})
    sweep(cluster.world.deps, lambda: 40.0)
    for _ in range(2):
        (message,) = cluster.messages()
        cluster.report(message, fail)
    assert row(cluster).attempt == 3
    (third,) = cluster.messages()
    assert third.attempt == 3
    cluster.world.store.put_outbox([_outbox(cluster, index=0, attempt=2, gen=1)])
    sweep_after(cluster, 130)
    assert cluster.messages() == []


def test_an_item_whose_row_comes_later_than_the_sweep_is_sent_all_the_same() -> None:
    """The report stands still between item and row longer than a function may, and dies after its row."""
    cluster = started(retry=LONG)
    sweep(cluster.world.deps, lambda: 40.0)
    (message,) = cluster.messages()
    store = cluster.world.store

    def die(name: str) -> None:
        if name == "write_task":
            store.after_write = lambda _: None
            raise Died

    def stall() -> None:
        sweep_after(cluster, 3_400)
        store.after_write = die

    overtake(cluster.world, "write_task", stall)
    with pytest.raises(Died):
        cluster.report(message, fail)
    sweep_after(cluster, 130)
    assert [again.attempt for again in cluster.messages()] == [2]
    assert not cluster.world.store.tables.outbox
