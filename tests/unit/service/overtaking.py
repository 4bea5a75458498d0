"""Calls that are overtaken or die at one of their writes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from orchestrator.model.items import Job
from orchestrator.service.control import retry_job
from orchestrator.spec import RetryJobIn
from tests.fakes.cluster import ALICE, Cluster
from tests.fakes.world import World


class Died(BaseException):
    """The process died."""


def _ignore(_: str) -> None:
    return None


def _once(world: World, write: str, action: Callable[[], object], *, after: bool) -> None:
    def hook(name: str) -> None:
        if name == write:
            world.store.before_write = world.store.after_write = _ignore
            action()

    if after:
        world.store.after_write = hook
    else:
        world.store.before_write = hook


def overtake(
    world: World, write: str, action: Callable[[], object], *, after: bool = False
) -> None:
    """Let `action` happen while the next call that comes to `write` stands before (or after) it."""
    _once(world, write, action, after=after)


@contextmanager
def dying(world: World, write: str, *, after: bool = False) -> Iterator[None]:
    """Expect that what runs in the block dies before (or after) its first such write."""

    def die() -> None:
        raise Died

    _once(world, write, die, after=after)
    with pytest.raises(Died):
        yield


def stored(cluster: Cluster) -> Job:
    """Return the job as it is in the table."""
    job = cluster.world.store.get_job(cluster.job_id)
    assert job is not None
    return job


def retry(cluster: Cluster, key: str | None = None, indexes: list[int] | None = None) -> Cluster:
    """Retry a job; return its next generation."""
    body = RetryJobIn(indexes=indexes)
    deps = cluster.world.deps
    retry_job(deps, ALICE, cluster.job_id, body, idempotency_key=key, request_id="r")
    return Cluster(world=cluster.world, job_id=cluster.job_id, gen=stored(cluster).gen)
