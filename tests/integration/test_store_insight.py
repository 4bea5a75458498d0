"""One suite of behaviours for every store: what happened to a job, its series, and counts for the receipt."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from orchestrator.model.items import Usage
from orchestrator.model.progress import Counts, Packed, Tally, pack_leaf, pack_node
from orchestrator.model.series import Point
from orchestrator.model.states import JobState
from orchestrator.model.timeline import TimelineEvent, TimelineKind
from orchestrator.service.ports import JobGuard, Store
from tests.integration.values import LATER, NOW, make_job

STARTED = TimelineEvent(gen=1, what=TimelineKind.STARTED, at=NOW, state=JobState.PROCESSING)
STOPPED = TimelineEvent(
    gen=1, what=TimelineKind.STOPPED, at=NOW, state=JobState.STOPPING, by="me", detail='"a", [b] ü'
)
FINISHED = TimelineEvent(gen=1, what=TimelineKind.FINISHED, at=NOW, tasks=0)


def test_events_are_appended_by_the_write_that_makes_them_happen(store: Store, job_id: str) -> None:
    store.put_job(make_job(job_id))
    first = store.update_job(job_id, JobGuard(), state=JobState.PROCESSING, happened=STARTED)
    assert first is not None
    assert first.events == (STARTED,)
    assert store.update_job(job_id, JobGuard(gen=2), checks=1, happened=FINISHED) is None
    store.update_job(job_id, JobGuard(), state=JobState.STOPPING, happened=STOPPED)
    store.update_job(job_id, JobGuard(), checks=2)
    found = store.get_job(job_id)
    assert found is not None
    assert found.events == (STARTED, STOPPED)
    changed = store.update_job(job_id, JobGuard(), events=(STOPPED, FINISHED))
    assert changed is not None
    assert changed.events == (STOPPED, FINISHED)


def test_a_job_with_happenings_and_usage_is_read_back_whole(store: Store, job_id: str) -> None:
    job = make_job(
        job_id, events=(STARTED, STOPPED, FINISHED), usage=Usage(attempts=0, worker_ms=7)
    )
    store.put_job(job)
    assert store.get_job(job_id) == job
    usage = Usage(attempts=12, worker_ms=10**9)
    changed = store.update_job(job_id, JobGuard(), usage=usage)
    assert changed == replace(job, usage=usage)


def point(bucket: int, gen: int = 1, **counts: int) -> Point:
    return Point(
        gen=gen, bucket=bucket, at=NOW + timedelta(seconds=bucket), counts=Counts(**counts)
    )


def test_points_are_listed_by_generation_and_bucket(store: Store, job_id: str) -> None:
    points = [point(5, succeeded=1), point(100, succeeded=2, failed=1), point(7_776_000, skipped=9)]
    for one in reversed(points):
        assert store.put_point(job_id, one, LATER)
    other = point(5, gen=2, retrying=1)
    assert store.put_point(job_id, other, LATER)
    assert store.list_points(job_id, 1) == points
    assert store.list_points(job_id, 2) == [other]
    assert store.list_points(job_id, 3) == []


def test_a_point_is_replaced_only_by_one_that_tells_of_as_much(store: Store, job_id: str) -> None:
    many = point(5, pending=6, succeeded=2, failed=2)
    assert store.put_point(job_id, many, LATER)
    assert not store.put_point(job_id, replace(many, counts=Counts(succeeded=3)), LATER)
    assert store.list_points(job_id, 1) == [many]
    newer = replace(many, at=NOW + timedelta(seconds=7), counts=Counts(succeeded=4))
    assert store.put_point(job_id, newer, LATER)
    assert store.list_points(job_id, 1) == [newer]


def test_reports_are_counted_with_the_node_s_write_and_pushes_with_the_root_s(
    store: Store, job_id: str
) -> None:
    first, second = (pack_leaf(Packed(ver, Tally(ok=ver))) for ver in (1, 2))
    assert store.push_leaves(job_id, {0: second}, LATER, 1).calls == 1
    assert store.push_leaves(job_id, {0: first}, LATER, 1).calls == 1, (
        "a refused write counts nothing"
    )
    assert store.push_leaves(job_id, {1: second}, LATER).calls == 1
    assert store.push_leaves(job_id, {1: pack_leaf(Packed(3, Tally()))}, LATER, 1).calls == 2
    assert store.get_nodes(job_id, [0])[0].calls == 2
    small, big = (pack_node(Packed(ver, Tally(ok=ver))) for ver in (1, 2))
    assert store.push_node(job_id, 0, big, NOW, LATER).pushes == 1
    assert store.push_node(job_id, 0, small, NOW, LATER).pushes == 1
    assert store.push_node(job_id, 1, small, NOW, LATER).pushes == 2
    assert store.get_root(job_id).pushes == 2
