"""One suite of behaviours for every store: the list of workers, what they run, and who is gone."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from ulid import ULID

from orchestrator.model.items import InputSchemas, Running, Worker
from orchestrator.model.wire import RunningTask
from orchestrator.service.fleet_port import WORKER_SHARDS
from orchestrator.service.ports import Store
from tests.fakes.conditions import worker_order
from tests.integration.values import LATER, NOW

SECOND = timedelta(seconds=1)


def make_worker(worker_id: str, **changes: object) -> Worker:
    worker = Worker(
        worker_id=worker_id,
        version="1",
        slots=4,
        handlers=("echo", "sleep"),
        unknown_handlers=("gone",),
        draining=False,
        jobs=frozenset(),
        seen_at=NOW,
        expires_at=LATER,
        running=2,
        alive_since=NOW,
    )
    return replace(worker, **changes)  # type: ignore[arg-type]


@pytest.fixture
def ids() -> list[str]:
    """Return ids of workers that no other test has, over all shards, in the list's order."""
    made = [f"w-{ULID()}" for _ in range(4 * WORKER_SHARDS)]
    return sorted(made, key=worker_order)


def own_workers(store: Store, ids: list[str]) -> list[Worker]:
    return [w for w in store.list_workers(NOW, 10_000, None) if w.worker_id in ids]


def own(workers: list[Worker], ids: list[str]) -> list[str]:
    return [worker.worker_id for worker in workers if worker.worker_id in ids]


def test_the_first_heartbeat_is_kept_all_else_is_the_last_one_s(store: Store, job_id: str) -> None:
    worker_id = f"w-{job_id}"
    first = make_worker(worker_id, jobs=frozenset({job_id}))
    assert store.put_worker(first) is None
    second = make_worker(
        worker_id, version="2", handlers=(), draining=True, running=0, seen_at=NOW + SECOND,
        alive_since=NOW + SECOND,
    )  # fmt: skip
    assert store.put_worker(second) == first
    stands = store.put_worker(second)
    assert stands == replace(second, alive_since=NOW)


def test_a_worker_s_set_of_schemas_is_the_last_one_that_it_named(store: Store, job_id: str) -> None:
    named = make_worker(f"w-{job_id}", schemas_digest="a" * 32)
    unnamed = make_worker(f"w-{job_id}")
    assert store.put_worker(named) is None
    assert store.put_worker(unnamed) == named
    assert store.put_worker(named) == unnamed
    (listed,) = own_workers(store, [f"w-{job_id}"])
    assert listed == named


def test_sets_of_schemas_are_read_by_digest_until_they_expire(store: Store, job_id: str) -> None:
    first, second, gone = (f"{job_id}-{n}" for n in range(3))
    large = InputSchemas(digest=first, text='{"a":"' + "é" * 16_000 + '"}', expires_at=LATER)
    store.put_schemas(replace(large, text="{}", expires_at=NOW))
    store.put_schemas(large)
    store.put_schemas(InputSchemas(digest=second, text="{}", expires_at=LATER))
    store.put_schemas(InputSchemas(digest=gone, text="{}", expires_at=NOW))
    found = store.get_schemas([first, second, gone, "unknown", first], NOW)
    assert sorted(found) == [first, second]
    assert found[first] == large
    assert sorted(store.get_schemas([gone], NOW - SECOND)) == [gone]
    assert store.get_schemas([], NOW) == {}


def test_workers_are_listed_page_by_page_each_once(store: Store, ids: list[str]) -> None:
    for worker_id in ids:
        store.put_worker(make_worker(worker_id))
    assert own(store.list_workers(NOW, 10_000, None), ids) == ids
    listed: list[str] = []
    after = None
    while page := store.list_workers(NOW, 7, after):
        assert len(page) <= 7
        listed += own(page, ids)
        after = page[-1].worker_id
    assert listed == ids
    (one,) = own_workers(store, ids[:1])
    assert one == make_worker(ids[0])


def test_a_worker_that_is_gone_is_not_listed_and_can_be_deleted(
    store: Store, ids: list[str]
) -> None:
    for number, worker_id in enumerate(ids):
        store.put_worker(make_worker(worker_id, expires_at=LATER if number % 2 else NOW))
    living, gone = ids[1::2], ids[::2]
    assert own(store.list_workers(NOW, 10_000, None), ids) == living
    assert own(store.list_workers(NOW - SECOND, 10_000, None), ids) == ids
    found = [
        worker_id
        for shard in range(WORKER_SHARDS)
        for worker_id in store.list_gone_workers(shard, NOW, 10_000)
        if worker_id in ids
    ]
    assert found == gone
    assert store.delete_gone_worker(gone[0], NOW)
    assert not store.delete_gone_worker(gone[0], NOW)
    assert own(store.list_workers(NOW - SECOND, 10_000, None), ids) == ids[1:]
    shard, _ = worker_order(gone[1])
    assert len(store.list_gone_workers(shard, NOW, 1)) == 1


def test_a_worker_that_speaks_again_is_not_deleted(store: Store, ids: list[str]) -> None:
    store.put_worker(make_worker(ids[0], expires_at=NOW))
    store.put_worker(make_worker(ids[0], expires_at=LATER))
    assert not store.delete_gone_worker(ids[0], NOW)
    assert own(store.list_workers(NOW, 10_000, None), ids) == [ids[0]]


def test_what_workers_run_is_read_by_job_and_worker(store: Store, job_id: str) -> None:
    task = RunningTask(job=job_id, index=3, attempt=1, since_ms=5, progress=0.5)
    here = Running(job_id=job_id, worker_id="a", tasks=(task,), seen_at=NOW, expires_at=LATER)
    for running in (
        here,
        replace(here, worker_id="b"),
        replace(here, worker_id="c", expires_at=NOW),
    ):
        store.put_running(running)
    other = str(ULID())
    pairs = [(job_id, "a"), (job_id, "c"), (job_id, "unknown"), (other, "b"), (job_id, "a")]
    assert store.get_running(pairs, NOW) == [here]
    assert store.get_running([], NOW) == []
