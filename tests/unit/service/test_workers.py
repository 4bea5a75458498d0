"""The list of workers: who lives, what each runs, and what of it another tenant may see."""

from __future__ import annotations

from datetime import timedelta

import pytest

from orchestrator.errors import InvalidCursor
from orchestrator.model.items import Role
from orchestrator.model.wire import HeartbeatIn, RunningTask
from orchestrator.service.access import Caller
from orchestrator.service.beat import WORKER_FRESH, heartbeat
from orchestrator.service.fleet_port import WORKER_SHARDS
from orchestrator.service.sweep import sweep
from orchestrator.service.workers import TASKS_SHOWN, WorkerOut, list_workers
from tests.fakes.cluster import ALICE, Cluster
from tests.fakes.lives import begun
from tests.fakes.world import START, World

EVE = Caller("other", Role.VIEWER, "eve")


def beat(world: World, worker_id: str, *running: RunningTask, draining: bool = False) -> None:
    body = HeartbeatIn(
        version="7", slots=2, handlers=["echo"], unknown_handlers=["x"], running=list(running),
        draining=draining,
    )  # fmt: skip
    heartbeat(world.deps, worker_id, body)


def listed(world: World, caller: Caller = ALICE) -> list[WorkerOut]:
    return list_workers(world.deps, caller, limit=100, cursor=None).workers


def test_a_worker_shows_what_it_told_and_since_when() -> None:
    cluster = begun(Cluster())
    world = cluster.world
    beat(world, "w-1")
    world.wait(20)
    task = RunningTask(job=cluster.job_id, index=3, attempt=2, since_ms=4_000, progress=0.25)
    beat(world, "w-1", task, draining=True)
    (worker,) = listed(world)
    assert (worker.version, worker.slots, worker.draining) == ("7", 2, True)
    assert (worker.handlers, worker.unknown_handlers) == (("echo",), ("x",))
    assert (worker.alive_since, worker.seen_at) == (START, START + timedelta(seconds=20))
    (shown,) = worker.tasks
    assert (shown.task_id, shown.attempt, shown.progress) == (f"{cluster.job_id}-3", 2, 0.25)
    assert shown.started_at == START + timedelta(seconds=16)
    assert (worker.running, worker.not_shown) == (1, 0)


def test_other_tenants_tasks_are_counted_and_not_named() -> None:
    cluster = begun(Cluster())
    other = Cluster(world=cluster.world)
    other.submit()
    tasks = [
        RunningTask(job=job, index=index, attempt=1, since_ms=0)
        for job, index in ((cluster.job_id, 1), (other.job_id, 0), (cluster.job_id, 0))
    ]
    beat(cluster.world, "w-1", *tasks)
    (mine,), (hers,) = listed(cluster.world), listed(cluster.world, EVE)
    assert (mine.running, len(mine.tasks), mine.not_shown) == (3, 3, 0)
    assert (hers.running, hers.tasks, hers.not_shown) == (3, [], 3)
    assert cluster.job_id not in hers.model_dump_json()


def test_a_worker_with_many_tasks_names_some_of_them() -> None:
    cluster = begun(Cluster())
    tasks = [
        RunningTask(job=cluster.job_id, index=index, attempt=1, since_ms=index)
        for index in range(TASKS_SHOWN + 50)
    ]
    beat(cluster.world, "w-1", *tasks)
    (worker,) = listed(cluster.world)
    assert (len(worker.tasks), worker.not_shown) == (TASKS_SHOWN, 50)
    assert worker.tasks[0].index == TASKS_SHOWN + 49, "the one that runs longest comes first"


def test_a_silent_worker_is_not_listed_and_its_row_is_swept() -> None:
    world = World()
    beat(world, "w-1")
    world.wait(WORKER_FRESH.total_seconds() - 1)
    beat(world, "w-2")
    assert len(listed(world)) == 2
    world.wait(2)
    assert [worker.worker_id for worker in listed(world)] == ["w-2"]
    for _ in range(WORKER_SHARDS):
        beat(world, "w-2")
        sweep(world.deps, lambda: 40.0)
        world.wait(60)
    assert set(world.store.workers) == {"w-2"}


def test_the_sweep_goes_on_where_the_workers_cannot_be_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World()

    def fail(*_: object) -> list[str]:
        raise ConnectionError("no table")

    monkeypatch.setattr(world.store, "list_gone_workers", fail)
    assert sweep(world.deps, lambda: 40.0)["workers"] == 0
    assert world.journal.counts["SweepSetAside"] == 1
    assert world.journal.counts["SweepFinished"] == 1


def test_pages_hold_each_worker_once() -> None:
    world = World()
    for number in range(23):
        beat(world, f"w-{number}")
    seen: list[str] = []
    cursor = None
    while True:
        page = list_workers(world.deps, ALICE, limit=5, cursor=cursor)
        seen += [worker.worker_id for worker in page.workers]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert sorted(seen) == sorted(f"w-{number}" for number in range(23))
    first = list_workers(world.deps, ALICE, limit=5, cursor=None).next_cursor
    with pytest.raises(InvalidCursor):
        list_workers(world.deps, EVE, limit=5, cursor=first)
