"""What happened to a job, over whole lives: every change of state is told, in order, also after retries."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from orchestrator.errors import NotFound
from orchestrator.model.items import Role
from orchestrator.model.states import JobState
from orchestrator.model.timeline import KEPT_MAX
from orchestrator.service.access import Caller
from orchestrator.service.sweep import EXECUTIONS_MAX, execution_ended
from orchestrator.service.timeline import EventsOut, job_events
from tests.fakes.cluster import ALICE, Cluster
from tests.fakes.lives import LIVES, begun, cancel, odd_fail, past_its_deadline, too_many_failures


def told(cluster: Cluster) -> EventsOut:
    return job_events(cluster.world.deps, ALICE, cluster.job_id)


def names(cluster: Cluster) -> list[str]:
    return [event.event.value for event in told(cluster).events]


@pytest.mark.parametrize("life", LIVES, ids=lambda life: life.__name__)
def test_each_state_that_a_job_was_in_is_told_once(life: Callable[[Cluster], Cluster]) -> None:
    cluster, states = Cluster(), list[tuple[int, JobState]]()
    store = cluster.world.store

    def note(_: str) -> None:
        for job in store.tables.jobs.values():
            if not states or states[-1] != (job.gen, job.state):
                states.append((job.gen, job.state))

    store.after_write = note
    last = life(cluster)
    events = told(last).events
    assert [(event.gen, event.state) for event in events] == states
    assert [event.at for event in events] == sorted(event.at for event in events)


def test_a_plain_life_has_its_times() -> None:
    cluster = begun(Cluster(), tasks={"count": 10})
    cluster.work()
    cluster.end()
    assert names(cluster) == ["submitted", "planned", "started", "finished"]
    submitted, planned, started, finished = told(cluster).events
    assert (submitted.by, submitted.at) == ("alice", cluster.job.created_at)
    assert (planned.tasks, started.at) == (10, cluster.job.started_at)
    assert (finished.at, finished.tasks) == (cluster.job.finished_at, 0)
    assert finished.state is cluster.job.state


def test_a_retry_is_told_with_who_asked_and_how_many_were_chosen() -> None:
    cluster = begun(Cluster(), tasks={"count": 10}, retry={"max_attempts": 1})
    cluster.work(odd_fail)
    cluster.end()
    again = cluster.retry()
    again.begin()
    assert names(again) == [
        "submitted", "planned", "started", "finished", "retried", "planned", "started",
    ]  # fmt: skip
    events = told(again).events
    assert events[3].tasks == 5
    assert "5 of 10 tasks failed" in (events[3].detail or "")
    assert (events[4].gen, events[4].by, events[4].tasks) == (2, "alice", 5)


@pytest.mark.parametrize(
    ("life", "by", "detail"),
    [(past_its_deadline, "sweep", "deadline"), (too_many_failures, "policy", "tolerance")],
)
def test_a_stop_says_why_and_by_whom(
    life: Callable[[Cluster], Cluster], by: str, detail: str
) -> None:
    (stopped,) = [e for e in told(life(Cluster())).events if e.event == "stopped"]
    assert (stopped.by, stopped.detail) == (by, detail)


def test_a_cancel_is_told_once_however_often_it_is_asked_for() -> None:
    cluster = begun(Cluster())
    cancel(cluster)
    cancel(cluster)
    (stopped,) = [e for e in told(cluster).events if e.event == "stopped"]
    assert (stopped.by, stopped.detail) == ("alice", "cancel")


def test_a_job_whose_executions_die_for_ever_does_not_grow() -> None:
    cluster = begun(Cluster())
    for _ in range(3 * EXECUTIONS_MAX):
        job = cluster.job
        execution_ended(cluster.world.deps, job.job_id, job.gen, job.exec, "FAILED")
    assert names(cluster).count("restarted") == EXECUTIONS_MAX
    assert names(cluster).count("stopped") == 1
    assert cluster.job.exec > EXECUTIONS_MAX


def test_a_job_that_is_retried_very_often_keeps_its_newest_generations() -> None:
    cluster = begun(Cluster(), tasks={"count": 10}, retry={"max_attempts": 1})
    for _ in range(KEPT_MAX):
        cluster.work(odd_fail)
        cluster.end()
        cluster = cluster.retry()
        cluster.begin()
    found = told(cluster)
    assert found.gen == KEPT_MAX + 1
    assert 1 < found.from_gen < found.gen
    assert found.events[0].event == "submitted"
    assert found.events[1].event == "retried"
    assert KEPT_MAX - 4 < len(cluster.job.events) <= KEPT_MAX + 4


def test_it_is_one_tenant_s() -> None:
    cluster = begun(Cluster())
    with pytest.raises(NotFound):
        job_events(cluster.world.deps, Caller("other", Role.ADMIN, "eve"), cluster.job_id)
