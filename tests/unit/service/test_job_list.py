"""The list of jobs by state, name and tags: pages are bounded, and together they hold each match once."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from orchestrator.errors import InvalidCursor
from orchestrator.model.items import Job
from orchestrator.model.progress import Root
from orchestrator.model.states import JobState
from orchestrator.service import job_list
from orchestrator.service.job_list import JobFilter, list_jobs
from orchestrator.service.ports import JobGuard
from tests.fakes.cluster import ALICE, Cluster
from tests.fakes.store import MemoryStore
from tests.fakes.world import World


def submit(world: World, name: str, **tags: str) -> str:
    cluster = Cluster(world=world)
    cluster.submit(name=name, tags=tags, tasks={"count": 1})
    return cluster.job_id


def pages(world: World, wanted: JobFilter, limit: int = 10) -> list[list[str]]:
    """Return the ids of each page to the end."""
    found, cursor = [], None
    while True:
        page = list_jobs(world.deps, ALICE, wanted, limit=limit, cursor=cursor)
        found.append([job.job_id for job in page.jobs])
        cursor = page.next_cursor
        if cursor is None:
            return found


@pytest.fixture
def world() -> World:
    return World()


@pytest.mark.parametrize(
    ("wanted", "names"),
    [
        (JobFilter(), ["Straße", "nightly copy", "Nightly", "other"]),
        (JobFilter(name="night"), ["nightly copy", "Nightly"]),
        (JobFilter(name="COPY"), ["nightly copy"]),
        (JobFilter(name="STRASSE"), ["Straße"]),
        (JobFilter(tags=("team:data",)), ["nightly copy", "Nightly"]),
        (JobFilter(tags=("team",)), ["nightly copy", "Nightly", "other"]),
        (JobFilter(tags=("team:data", "env:prod")), ["Nightly"]),
        (JobFilter(tags=("team:da",)), []),
        (JobFilter(tags=("a:b:c",)), ["other"]),
        (JobFilter(name="nightly", tags=("env",)), ["Nightly"]),
        (JobFilter(state=JobState.FAILED, name="night"), ["nightly copy"]),
    ],
)
def test_jobs_are_listed_by_name_and_tags(
    world: World, wanted: JobFilter, names: list[str]
) -> None:
    submit(world, "other", team="ops", **{"a:b": "c"})
    submit(world, "Nightly", team="data", env="prod")
    failed = submit(world, "nightly copy", team="data")
    world.store.update_job(failed, JobGuard(), state=JobState.FAILED)
    submit(world, "Straße")
    found = list_jobs(world.deps, ALICE, wanted, limit=10, cursor=None)
    assert [job.name for job in found.jobs] == names
    assert found.next_cursor is None


@pytest.mark.parametrize("limit", [1, 3, 50])
def test_pages_hold_each_match_once(world: World, limit: int) -> None:
    ids = [submit(world, f"job {n}", odd=str(n % 2)) for n in range(120)]
    newest = ids[::-1]
    plain = pages(world, JobFilter(), limit)
    assert [job for page in plain for job in page] == newest
    odd = pages(world, JobFilter(tags=("odd:1",)), limit)
    assert [job for page in odd for job in page] == newest[::2]
    assert max(map(len, odd)) <= limit


class CountingStore(MemoryStore):
    """A store that counts which jobs are read."""

    def __init__(self) -> None:
        super().__init__()
        self.read = 0

    def get_jobs_and_roots(self, job_ids: Sequence[str]) -> list[tuple[Job, Root]]:
        self.read += len(job_ids)
        return super().get_jobs_and_roots(job_ids)


def test_a_rare_match_is_found_over_several_bounded_pages() -> None:
    world = World(CountingStore())
    store = world.store
    assert isinstance(store, CountingStore)
    wanted = submit(world, "needle")
    for number in range(job_list.SEARCHED_MAX + 30):
        submit(world, f"hay {number}")
    first = list_jobs(world.deps, ALICE, JobFilter(name="needle"), limit=10, cursor=None)
    assert first.jobs == []
    assert first.next_cursor is not None
    assert store.read == job_list.SEARCHED_MAX
    assert pages(world, JobFilter(name="needle")) == [[], [wanted]]


def test_a_job_that_expired_meanwhile_is_left_out_and_ends_no_list(world: World) -> None:
    ids = [submit(world, f"job {n}") for n in range(6)]
    listed = world.store.list_job_ids

    def stale(*args: object) -> list[str]:
        # The index is eventually consistent: it may still name a job that is gone.
        found = listed(*args)  # type: ignore[arg-type]
        world.store.tables.jobs.pop(ids[4], None)
        return found

    world.store.list_job_ids = stale  # type: ignore[method-assign, assignment]
    found = [job for page in pages(world, JobFilter(), 2) for job in page]
    assert found == [ids[5], *ids[3::-1]]


def test_a_cursor_is_of_one_filter(world: World) -> None:
    for number in range(3):
        submit(world, f"job {number}", a="b")
    wanted = JobFilter(name="job", tags=("a", "a:b"))
    cursor = list_jobs(world.deps, ALICE, wanted, limit=1, cursor=None).next_cursor
    assert cursor is not None
    same = JobFilter(name="job", tags=("a:b", "a"))
    assert len(list_jobs(world.deps, ALICE, same, limit=5, cursor=cursor).jobs) == 2
    for other in (JobFilter(), JobFilter(name="job"), JobFilter(name="jo", tags=("a", "a:b"))):
        with pytest.raises(InvalidCursor):
            list_jobs(world.deps, ALICE, other, limit=1, cursor=cursor)


def test_a_cursor_stays_short_whatever_the_filter(world: World) -> None:
    tags = {f"key{n}": "v" * 200 for n in range(20)}
    for _ in range(2):
        submit(world, "n" * 200, **tags)
    wanted = JobFilter(name="n" * 200, tags=tuple(f"{k}:{v}" for k, v in tags.items()))
    cursor = list_jobs(world.deps, ALICE, wanted, limit=1, cursor=None).next_cursor
    assert cursor is not None
    assert len(cursor) < 200
