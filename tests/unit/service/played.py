"""Steps that tests of failures play on a cluster."""

from __future__ import annotations

from orchestrator.model.items import TaskRow
from orchestrator.model.states import Outcome
from orchestrator.model.wire import (
    ClaimIn,
    ClaimMessage,
    TaskMessage,
)
from orchestrator.service.claim import claim
from orchestrator.service.control import cancel_job
from orchestrator.service.read import read_job, read_task
from orchestrator.service.sweep import sweep
from orchestrator.service.views import CountsOut, TaskOut
from tests.fakes.cluster import ALICE, Cluster

_CLAIMED = {"job", "gen", "attempt", "start", "stop", "indexes", "hold"}


def fail(index: int, attempt: int) -> Outcome:
    return Outcome.FAILED


def started(count: int = 1, **fields: object) -> Cluster:
    cluster = Cluster()
    cluster.submit(**{"tasks": {"count": count}, **fields})
    cluster.begin()
    return cluster


def task(cluster: Cluster, index: int = 0) -> TaskOut:
    return read_task(cluster.world.deps, ALICE, f"{cluster.job_id}-{index}")


def counts(cluster: Cluster) -> CountsOut:
    return read_job(cluster.world.deps, ALICE, cluster.job_id).counts


def row(cluster: Cluster, index: int = 0) -> TaskRow:
    return cluster.world.store.tables.tasks[cluster.job_id, index]


def claimed(
    cluster: Cluster,
    message: TaskMessage,
    message_id: str,
    receive_count: int,
    *,
    begins: bool = True,
) -> object:
    asked = ClaimMessage(
        message_id=message_id,
        receive_count=receive_count,
        begins=begins,
        **message.model_dump(include=_CLAIMED),
    )
    body = ClaimIn(worker_id="w-2", messages=[asked])
    return claim(cluster.world.deps, body).messages[message_id]


def runs_until_dropped(cluster: Cluster, message: TaskMessage, message_id: str = "m") -> int:
    """Lose the worker at every delivery; return how often the task was run, the first time included."""
    for receive_count in range(2, 100):
        if claimed(cluster, message, message_id, receive_count) == "drop":
            return receive_count - 1
    raise AssertionError("it is run for ever")


def cancel(cluster: Cluster) -> None:
    cancel_job(cluster.world.deps, ALICE, cluster.job_id)


def sweep_after(cluster: Cluster, seconds: float) -> None:
    """Let time pass, then sweep once."""
    cluster.world.wait(seconds)
    sweep(cluster.world.deps, lambda: 40.0)


def reopened(cluster: Cluster) -> Cluster:
    again = cluster.retry()
    again.begin()
    return again
