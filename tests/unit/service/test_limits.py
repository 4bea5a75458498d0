"""Limits of a tenant: what is refused, with which answer, and that others are not touched by it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from orchestrator.errors import InvalidField, QuotaExceeded
from orchestrator.model.items import Job, Role
from orchestrator.model.progress import Root
from orchestrator.service.access import Caller
from orchestrator.service.limits import COUNTED_MAX, check_limits
from orchestrator.service.ports import Limits
from orchestrator.service.submit import submit_job
from tests.fakes.cluster import ALICE, Cluster, submission
from tests.fakes.lives import cancel, odd_fail
from tests.fakes.store import MemoryStore
from tests.fakes.world import World

EVE = Caller("other", Role.SUBMITTER, "eve")


def limited(**limits: int) -> World:
    """Return a world with these limits."""
    world = World()
    world.deps = replace(world.deps, limits=Limits(**limits))
    return world


def submit(world: World, count: int = 10) -> Cluster:
    cluster = Cluster(world=world)
    cluster.submit(tasks={"count": count}, retry={"max_attempts": 1}, max_running=1_000)
    return cluster


def test_a_tenant_has_at_most_so_many_active_jobs() -> None:
    world = limited(active_jobs=2)
    first, _second = submit(world), submit(world)
    first.begin()
    with pytest.raises(QuotaExceeded, match="2 or more active jobs") as refused:
        submit(world)
    assert refused.value.status == 429
    assert "cancel one" in str(refused.value.action)
    assert len(world.store.tables.jobs) == 2
    _, created = submit_job(world.deps, EVE, submission(), idempotency_key=None, request_id="r")
    assert created, "another tenant has its own"
    cancel(first)
    with pytest.raises(QuotaExceeded):
        submit(world)
    first.end()
    submit(world)


def test_what_was_accepted_once_is_answered_again() -> None:
    world = limited(active_jobs=1)
    asked = {"idempotency_key": "k", "request_id": "r"}
    job, created = submit_job(world.deps, ALICE, submission(), **asked)
    again, created_again = submit_job(world.deps, ALICE, submission(), **asked)
    assert (created, created_again, again.job_id) == (True, False, job.job_id)


def test_a_key_that_met_the_limit_works_when_there_is_room() -> None:
    world = limited(active_jobs=1)
    first = submit(world)
    asked = {"idempotency_key": "k", "request_id": "r"}
    with pytest.raises(QuotaExceeded):
        submit_job(world.deps, ALICE, submission(), **asked)
    first.begin()
    first.work()
    first.end()
    _, created = submit_job(world.deps, ALICE, submission(), **asked)
    assert created


def test_a_tenant_has_at_most_so_many_tasks_waiting() -> None:
    world = limited(queued_tasks=100)
    first = submit(world, 80)
    with pytest.raises(QuotaExceeded, match="21 more would pass the limit of 100"):
        submit(world, 21)
    submit(world, 20)
    with pytest.raises(QuotaExceeded):
        submit(world, 1)
    first.begin()
    first.work()
    submit(world, 80)


def test_a_retry_counts_as_a_submit_does() -> None:
    world = limited(active_jobs=1, queued_tasks=100)
    failed = submit(world, 20)
    failed.begin()
    failed.work(odd_fail)
    failed.end()
    other = submit(world, 91)
    with pytest.raises(QuotaExceeded):
        failed.retry()
    cancel(other)
    other.begin()
    other.end()
    assert failed.retry().gen == 2


@pytest.mark.parametrize(
    ("limits", "count", "rule"),
    [
        ({"tasks_per_job": 50}, 51, "a job may have at most 50 tasks here"),
        ({"queued_tasks": 1_000}, 1_001, "a tenant may have at most 1,000 tasks waiting"),
    ],
)
def test_a_job_that_could_never_be_accepted_is_told_so(
    limits: dict[str, int], count: int, rule: str
) -> None:
    world = limited(**limits)
    with pytest.raises(InvalidField) as refused:
        submit(world, count)
    (field,) = refused.value.fields
    assert (refused.value.status, field.field, field.seen) == (422, "tasks", str(count))
    assert rule in field.rule
    assert world.store.tables.jobs == {}
    submit(world, count - 1)


def test_without_limits_nothing_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()

    def fail(*_: object) -> list[str]:
        raise AssertionError("no limit is set")

    monkeypatch.setattr(world.store, "list_job_ids", fail)
    submit(world, 1_000_000)


class CountingStore(MemoryStore):
    """A store that counts the jobs that are read."""

    read = 0

    def get_jobs_and_roots(self, job_ids: Sequence[str]) -> list[tuple[Job, Root]]:
        self.read += len(job_ids)
        return super().get_jobs_and_roots(job_ids)


def test_however_many_jobs_are_active_the_reading_is_bounded() -> None:
    store = CountingStore()
    world = World(store)
    for _ in range(COUNTED_MAX + 60):
        submit(world, 1)
    deps = replace(world.deps, limits=Limits(queued_tasks=10_000))
    check_limits(deps, "acme", 9_000)
    assert store.read == COUNTED_MAX
    store.read = 0
    with pytest.raises(QuotaExceeded):
        check_limits(deps, "acme", 9_980)
    assert store.read == 50, "it stops where it is too much"
