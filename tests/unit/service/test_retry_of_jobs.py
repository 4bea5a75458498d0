"""Which tasks a retry of a job takes, what it reads for that, and that the same request is one retry."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from orchestrator.errors import Conflict, IdempotencyConflict, InvalidField
from orchestrator.model.ids import LEAF_SIZE, MAX_TASKS, leaves_of_node, nodes_of
from orchestrator.model.items import TaskRow
from orchestrator.model.progress import Leaf, Node, Root, pack_leaf, pack_node
from orchestrator.model.states import JobState, Outcome, TaskState
from orchestrator.model.wire import CompleteIn, TaskError
from orchestrator.service.choose import ERROR_SEARCH_MAX
from orchestrator.service.control import retry_job
from orchestrator.service.ports import JobGuard
from orchestrator.service.read import read_job
from orchestrator.service.report import complete
from orchestrator.service.selection import Chosen
from orchestrator.service.views import JobOut
from orchestrator.spec import RetryJobIn
from tests.fakes.cluster import ALICE, Cluster, report_of
from tests.fakes.lives import begun, cancel, committed
from tests.fakes.store import MemoryStore
from tests.fakes.world import World

ERRORS = ("ValueError", "TimedOut", "WorkerLost", None)


def mixed() -> Cluster:
    """Return a cancelled job: 0-19 SUCCEEDED, 20-39 FAILED with errors in turn, 40-299 CANCELLED."""
    cluster = begun(
        Cluster(), tasks={"count": 300}, tasks_per_message=20, retry={"max_attempts": 1}
    )
    first, second, *_ = cluster.messages()
    cluster.report(first)
    reports = [
        report_of(second, index, Outcome.FAILED).model_copy(
            update={"error": TaskError(type=kind, message="m") if kind is not None else None}
        )
        for index in second.tasks()
        for kind in [ERRORS[index % 4]]
    ]
    complete(cluster.world.deps, CompleteIn(worker_id="w", reports=reports))
    cancel(cluster)
    assert cluster.end() == "CANCELLED"
    return cluster


def retry(cluster: Cluster, key: str | None = None, **body: Any) -> JobOut:
    return retry_job(
        cluster.world.deps,
        ALICE,
        cluster.job_id,
        RetryJobIn.model_validate(body),
        idempotency_key=key,
        request_id="r",
    )


def chosen(cluster: Cluster) -> list[int]:
    """Return what the newest retry chose."""
    ref = cluster.job.reopen_ref
    assert ref is not None
    selection = Chosen(cluster.world.deps, ref)
    return selection.slice(0, selection.count)


FAILED = list(range(20, 40))
CANCELLED = list(range(40, 300))
CHOICES: list[tuple[dict[str, Any], list[int]]] = [
    ({}, FAILED + CANCELLED),
    ({"tasks": "not_succeeded"}, FAILED + CANCELLED),
    ({"tasks": "failed"}, FAILED),
    ({"indexes": [299, 3, 20, 20, 0, 45]}, [20, 45, 299]),
    ({"error_types": ["ValueError"]}, FAILED[0::4]),
    ({"error_types": ["TimedOut", "WorkerLost", "Never"]}, sorted(FAILED[1::4] + FAILED[2::4])),
]


@pytest.mark.parametrize(("body", "expected"), CHOICES)
def test_a_retry_takes_what_it_says_and_no_task_that_succeeded(
    body: dict[str, Any], expected: list[int]
) -> None:
    cluster = mixed()
    rows = dict(cluster.world.store.tables.tasks)
    job = retry(cluster, **body)
    assert (job.state, job.gen) == ("CREATED", 2)
    assert chosen(cluster) == expected
    again = Cluster(world=cluster.world, job_id=cluster.job_id, gen=2)
    again.begin()
    sent = sorted(index for message in again.messages() for index in message.tasks())
    assert sent == expected
    counts = read_job(cluster.world.deps, ALICE, cluster.job_id).counts
    assert (counts.succeeded, counts.retrying) == (20, len(expected))
    after = cluster.world.store.tables.tasks
    untouched = [key for key in rows if key[1] not in expected]
    assert [after[key] for key in untouched] == [rows[key] for key in untouched]


NOTHING: list[tuple[dict[str, Any], str]] = [
    ({"indexes": [0, 19]}, "did not succeed"),
    ({"error_types": ["Never"]}, "error.type"),
]


@pytest.mark.parametrize(("body", "action"), NOTHING)
def test_a_retry_of_nothing_changes_nothing_and_says_what_to_do(
    body: dict[str, Any], action: str
) -> None:
    cluster = mixed()
    before = cluster.job
    with pytest.raises(Conflict) as refused:
        retry(cluster, **body)
    assert action in (refused.value.action or "")
    assert cluster.job == before


def test_a_cancelled_job_without_failures_says_how_to_retry_the_rest() -> None:
    cluster = begun(Cluster(), tasks={"count": 5})
    cancel(cluster)
    cluster.end()
    with pytest.raises(Conflict, match="no task is FAILED") as refused:
        retry(cluster, tasks="failed")
    assert "not_succeeded" in (refused.value.action or "")
    assert retry(cluster, tasks="not_succeeded").gen == 2


@pytest.mark.parametrize("index", [300, 999_999])
def test_an_index_that_is_no_task_is_named(index: int) -> None:
    with pytest.raises(InvalidField) as refused:
        retry(mixed(), indexes=[20, index])
    (field,) = refused.value.fields
    assert (field.field, field.seen) == ("indexes[1]", str(index))
    assert "300" in field.rule


@pytest.mark.parametrize("reach", ["CREATED", "ENQUEUING", "PROCESSING", "STOPPING"])
def test_a_job_that_has_not_ended_cannot_be_retried(reach: str) -> None:
    cluster = mixed()
    cluster.world.store.update_job(cluster.job_id, JobGuard(), state=JobState(reach))
    with pytest.raises(Conflict, match=reach):
        retry(cluster, tasks="failed")


def test_the_error_of_a_task_whose_retry_was_stopped_before_it_ran_is_still_found() -> None:
    stopped = mixed()
    key = (stopped.job_id, 20)
    row = stopped.world.store.tables.tasks[key]
    assert row.last is not None
    moved = replace(row, state=TaskState.PENDING, last=None, history=(row.last,))
    stopped.world.store.tables.tasks[key] = moved
    retry(stopped, error_types=["ValueError"])
    assert 20 in chosen(stopped)


def test_a_late_success_is_retried_with_the_cancelled_for_the_set_wins() -> None:
    cluster = mixed()
    rows = cluster.world.store.tables.tasks
    failed = rows[cluster.job_id, 20]
    late = committed(replace(failed, index=50, state=TaskState.RETRYING, attempt=2))
    rows[cluster.job_id, 50] = late
    retry(cluster)
    assert 50 in chosen(cluster)
    again = Cluster(world=cluster.world, job_id=cluster.job_id, gen=2)
    again.begin()
    (attempt,) = {m.attempt for m in again.messages() if 50 in m.tasks()}
    assert attempt == 3
    again.world.queue.take()


class Counting(MemoryStore):
    """A store that counts what is read."""

    def __init__(self) -> None:
        super().__init__()
        self.leaves_read: list[int] = []
        self.rows_read = 0
        self.requests = 0

    def get_node_leaves(self, job_id: str, node: int) -> dict[int, Leaf]:
        self.leaves_read.append(node)
        total = MAX_TASKS
        leaves = self.tables.leaves
        return {n: leaves[job_id, n] for n in leaves_of_node(node, total) if (job_id, n) in leaves}

    def get_tasks(self, job_id: str, indexes: Any) -> dict[int, TaskRow]:
        self.rows_read += len(indexes)
        self.requests += 1
        return super().get_tasks(job_id, indexes)

    def get_leaf_tasks(self, job_id: str, leaf: int) -> dict[int, TaskRow]:
        self.rows_read += LEAF_SIZE
        self.requests += 1
        indexes = range(leaf * LEAF_SIZE, (leaf + 1) * LEAF_SIZE)
        return super().get_tasks(job_id, indexes)


def ended_with(failures: Callable[[int], range]) -> Cluster:
    """Return a job of a million that ended; `failures` gives the failed offsets of each leaf."""
    store = Counting()
    cluster = Cluster(world=World(store=store))
    cluster.submit(tasks={"count": MAX_TASKS})
    model = mixed().world.store.tables.tasks.values()
    row = next(row for row in model if row.last is not None and row.last.error is not None)
    nodes: dict[int, int] = {}
    for node in nodes_of(MAX_TASKS):
        slots = {}
        for number in leaves_of_node(node, MAX_TASKS):
            failed = frozenset(failures(number))
            leaf = Leaf(
                ver=1, ok=frozenset(range(LEAF_SIZE)) - failed, failed=failed, closed="done"
            )
            store.tables.leaves[cluster.job_id, number] = leaf
            slots[number % 64] = pack_leaf(leaf.packed())
            for offset in failed:
                index = number * LEAF_SIZE + offset
                store.tables.tasks[cluster.job_id, index] = replace(row, index=index)
        nodes[node] = pack_node(Node(ver=1, leaves=slots).packed())
    store.tables.roots[cluster.job_id] = Root(nodes=nodes)
    store.update_job(cluster.job_id, JobGuard(), state=JobState.FAILED)
    return cluster


def test_at_a_million_tasks_only_the_leaves_with_failures_are_read() -> None:
    def failures(leaf: int) -> range:
        return range(0, 200) if leaf == 70 else range(1) if leaf in (3, 200, 3_999) else range(0)

    cluster = ended_with(failures)
    store: Any = cluster.world.store
    retry(cluster, error_types=["ValueError"])
    assert len(chosen(cluster)) == 203
    assert store.leaves_read == [0, 1, 3, 62]
    assert (store.rows_read, store.requests) == (253, 2)


def test_failures_in_every_leaf_are_read_in_batches() -> None:
    cluster = ended_with(lambda leaf: range(leaf % 5 == 0))
    store: Any = cluster.world.store
    retry(cluster, error_types=["ValueError"])
    assert len(chosen(cluster)) == 800
    assert (store.rows_read, store.requests) == (800, 8)


def test_too_many_failures_to_search_are_told_before_any_row_is_read() -> None:
    cluster = ended_with(lambda leaf: range(7))
    store: Any = cluster.world.store
    before = cluster.job
    with pytest.raises(InvalidField) as refused:
        retry(cluster, error_types=["ValueError"])
    assert str(ERROR_SEARCH_MAX) in refused.value.detail
    assert "28000" in refused.value.detail
    assert '"tasks": "failed"' in (refused.value.action or "")
    assert (store.rows_read, cluster.job) == (0, before)
    assert retry(cluster, tasks="failed").gen == 2
    assert len(chosen(cluster)) == 28_000


def test_a_search_that_takes_too_long_is_told_so_in_time() -> None:
    cluster = mixed()
    read = cluster.world.store.get_tasks

    def slow(job_id: str, indexes: Any) -> dict[int, TaskRow]:
        cluster.world.wait(16)
        return read(job_id, indexes)

    cluster.world.store.get_tasks = slow  # type: ignore[method-assign]
    with pytest.raises(InvalidField, match="took too long"):
        retry(cluster, error_types=["ValueError"])
    assert cluster.job.gen == 1


@pytest.mark.parametrize(("body", "expected"), CHOICES)
def test_the_same_request_twice_is_one_retry(body: dict[str, Any], expected: list[int]) -> None:
    cluster = mixed()
    assert [retry(cluster, key="k", **body).gen for _ in range(3)] == [2, 2, 2]
    again = Cluster(world=cluster.world, job_id=cluster.job_id, gen=2)
    again.begin()
    again.work()
    again.end()
    assert retry(cluster, key="k", **body).gen == 2
    assert chosen(cluster) == expected


def test_another_body_with_the_same_key_is_refused() -> None:
    cluster = mixed()
    retry(cluster, key="k", error_types=["ValueError"])
    for body in ({}, {"tasks": "failed"}, {"error_types": ["TimedOut"]}, {"indexes": [20]}):
        with pytest.raises(IdempotencyConflict):
            retry(cluster, key="k", **body)


@pytest.mark.parametrize("key", ["k", None])
def test_two_retries_at_once_are_one(key: str | None) -> None:
    cluster = mixed()
    first: list[JobOut] = []

    def other(_: str) -> None:
        if not first:
            first.append(retry(cluster, key="k", tasks="failed"))

    put = cluster.world.data.put

    def racing(name: str, body: bytes, content_type: str) -> None:
        put(name, body, content_type)
        if name.endswith("nodes.json"):
            cluster.world.data.put = put  # type: ignore[method-assign]
            other(name)

    cluster.world.data.put = racing  # type: ignore[method-assign, assignment]
    if key is None:
        with pytest.raises(Conflict, match="another request"):
            retry(cluster, tasks="failed")
    else:
        assert retry(cluster, key=key, tasks="failed").gen == 2
    assert cluster.job.gen == 2


def test_a_repeat_starts_the_execution_that_the_first_copy_did_not_come_to_start() -> None:
    cluster = mixed()
    start = cluster.world.machine.start

    def die(*_: object) -> None:
        raise ConnectionError("the function died before the execution was started")

    cluster.world.machine.start = die  # type: ignore[method-assign, assignment]
    with pytest.raises(ConnectionError):
        retry(cluster, key="k")
    cluster.world.machine.start = start  # type: ignore[method-assign]
    assert retry(cluster, key="k").gen == 2
    assert cluster.world.machine.status(cluster.job_id, 2, 1) == "RUNNING"
