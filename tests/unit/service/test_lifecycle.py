"""A job from submit to its last state, on fakes."""

from __future__ import annotations

import json
from typing import Any

import pytest

from orchestrator.errors import Conflict, Forbidden, NotFound, Superseded
from orchestrator.model.items import Role
from orchestrator.model.states import JobState, Outcome, TaskState
from orchestrator.service.access import Caller
from orchestrator.service.control import cancel_job
from orchestrator.service.job_list import JobFilter, list_jobs
from orchestrator.service.read import job_results, read_job, read_task
from orchestrator.service.task_list import list_tasks
from orchestrator.service.views import CountsOut, TaskPage
from tests.fakes.cluster import ALICE, Cluster


def counts(cluster: Cluster) -> CountsOut:
    """Return the job's counts after checking that they add up."""
    job = read_job(cluster.world.deps, ALICE, cluster.job_id)
    assert sum(job.counts.model_dump().values()) == job.total
    return job.counts


def tasks(
    cluster: Cluster, state: TaskState | None, *, limit: int, cursor: str | None = None
) -> TaskPage:
    """Return a page of the job's tasks."""
    deps = cluster.world.deps
    text = list_tasks(deps, ALICE, cluster.job_id, state=state, limit=limit, cursor=cursor)
    return TaskPage.model_validate_json(text)


def lines(cluster: Cluster) -> list[dict[str, Any]]:
    """Return the result lines of a finished job."""
    results = job_results(cluster.world.deps, ALICE, cluster.job_id)
    keys = [part.url.removeprefix("memory:").split("?")[0] for part in results.parts]
    bodies = [cluster.world.results.bodies[key] for key in keys]
    return [json.loads(line) for body in bodies for line in body.splitlines()]


def odd_fail(index: int, attempt: int) -> Outcome:
    return Outcome.FAILED if index % 2 else Outcome.SUCCEEDED


def first_attempt_fails(index: int, attempt: int) -> Outcome:
    return Outcome.FAILED if attempt == 1 else Outcome.SUCCEEDED


@pytest.mark.parametrize("total", [1, 249, 250, 251, 16_000, 16_001, 33_333])
def test_every_task_of_a_job_is_run_and_counted_once(total: int) -> None:
    cluster = Cluster()
    cluster.submit(tasks={"count": total})
    cluster.begin()
    assert counts(cluster).pending == total
    statuses = cluster.work()
    assert statuses == ["committed"] * total
    assert cluster.woken
    assert cluster.end() == "SUCCEEDED"
    assert counts(cluster).succeeded == total
    assert [line["index"] for line in lines(cluster)] == list(range(total))
    assert not cluster.world.store.tables.outbox


def test_items_reach_the_workers_as_they_were_submitted() -> None:
    cluster = Cluster()
    items: list[Any] = [{"n": i, "none": None} for i in range(299)] + [None, "ünï", [1, None]]
    cluster.submit(tasks={"items": items})
    cluster.begin()
    seen: dict[int, Any] = {}
    for message in cluster.messages():
        assert message.inputs is not None
        seen.update(zip(message.tasks(), message.inputs, strict=True))
    assert [seen[i] for i in range(len(items))] == items


def test_inputs_too_large_for_a_message_are_referenced() -> None:
    cluster = Cluster()
    cluster.submit(tasks={"items": ["x" * 30_000] * 10}, tasks_per_message=5)
    cluster.begin()
    messages = cluster.messages()
    assert all(m.inputs is None and m.inputs_ref is not None for m in messages)
    task = read_task(cluster.world.deps, ALICE, f"{cluster.job_id}-7")
    assert task.input == "x" * 30_000


def test_a_job_with_failures_is_failed_and_its_retry_reopens_only_those() -> None:
    cluster = Cluster()
    cluster.submit(tasks={"count": 600}, retry={"max_attempts": 1})
    cluster.begin()
    cluster.work(odd_fail)
    assert cluster.end() == "FAILED"
    assert (counts(cluster).succeeded, counts(cluster).failed) == (300, 300)
    failed = tasks(cluster, TaskState.FAILED, limit=1000)
    assert [task.index for task in failed.tasks] == list(range(1, 600, 2))
    assert failed.tasks[0].error is not None

    again = cluster.retry("again")
    again.begin()
    assert counts(again).retrying == 300
    statuses = again.work()
    assert statuses == ["committed"] * 300
    assert again.woken
    assert again.end() == "SUCCEEDED"
    assert counts(again).succeeded == 600
    attempts = {line["index"]: line["attempt"] for line in lines(again)}
    assert attempts[0] == 1
    assert attempts[1] == 2


def test_the_same_retry_twice_is_one_retry() -> None:
    cluster = Cluster()
    cluster.submit(retry={"max_attempts": 1})
    cluster.begin()
    cluster.work(odd_fail)
    cluster.end()
    for _ in range(2):
        assert cluster.retry("k").gen == 2


def test_a_failed_attempt_comes_back_after_its_back_off_and_may_succeed() -> None:
    cluster = Cluster()
    cluster.submit(tasks={"count": 3})
    cluster.begin()
    first = cluster.messages()
    for message in first:
        cluster.report(message, first_attempt_fails)
    assert counts(cluster).retrying == 3
    assert [m.delay_seconds for m in cluster.world.queue.sent] == [1, 1, 1]
    assert not cluster.world.store.tables.outbox
    cluster.work(first_attempt_fails)
    assert cluster.end() == "SUCCEEDED"
    task = read_task(cluster.world.deps, ALICE, f"{cluster.job_id}-0")
    assert [attempt.outcome for attempt in task.attempts] == ["failed", "succeeded"]


def test_cancel_is_one_write_and_ends_the_rest_as_cancelled() -> None:
    cluster = Cluster()
    cluster.submit(tasks={"count": 1000})
    cluster.begin()
    messages = cluster.messages()
    cluster.report(messages[0])
    job = cancel_job(cluster.world.deps, ALICE, cluster.job_id)
    assert job.state is JobState.STOPPING
    assert cluster.world.machine.outputs[cluster.token]["stopping"] is True
    assert cluster.report(messages[1]) == ["committed"] * len(messages[1].tasks())
    assert cluster.end() == "CANCELLED"
    assert cluster.report(messages[2]) == ["closed"] * len(messages[2].tasks())
    assert counts(cluster).succeeded == 10
    assert counts(cluster).cancelled == 990
    with pytest.raises(Conflict):
        cancel_job(cluster.world.deps, ALICE, cluster.job_id)


def test_a_repeated_report_changes_nothing() -> None:
    cluster = Cluster()
    cluster.submit(tasks={"count": 30})
    cluster.begin()
    messages = cluster.messages()
    for message in messages[:-1]:
        cluster.report(message)
    before = counts(cluster)
    for message in messages[:-1]:
        assert set(cluster.report(message, odd_fail)) == {"committed"}
    assert counts(cluster) == before


def test_a_job_of_another_tenant_is_not_found() -> None:
    cluster = Cluster()
    cluster.submit()
    mallory = Caller("other", Role.ADMIN, "mallory")
    with pytest.raises(NotFound):
        read_job(cluster.world.deps, mallory, cluster.job_id)
    with pytest.raises(NotFound):
        read_task(cluster.world.deps, mallory, f"{cluster.job_id}-0")
    page = list_jobs(cluster.world.deps, mallory, JobFilter(), limit=10, cursor=None)
    assert page.jobs == []


def test_a_viewer_may_not_cancel() -> None:
    cluster = Cluster()
    cluster.submit()
    with pytest.raises(Forbidden):
        cancel_job(cluster.world.deps, Caller("acme", Role.VIEWER, "eve"), cluster.job_id)


def test_jobs_are_listed_newest_first_page_by_page() -> None:
    cluster = Cluster()
    ids = [cluster.submit().job_id for _ in range(7)]
    seen: list[str] = []
    cursor = None
    while True:
        page = list_jobs(cluster.world.deps, ALICE, JobFilter(), limit=3, cursor=cursor)
        seen += [job.job_id for job in page.jobs]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert seen == ids[::-1]


def test_tasks_are_paged_without_gap_or_repeat() -> None:
    cluster = Cluster()
    cluster.submit(tasks={"count": 700})
    cluster.begin()
    seen: list[int] = []
    cursor = None
    while True:
        page = tasks(cluster, None, limit=300, cursor=cursor)
        seen += [task.index for task in page.tasks]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert seen == list(range(700))


def test_an_old_generation_s_machine_has_nothing_more_to_do() -> None:
    cluster = Cluster()
    cluster.submit(retry={"max_attempts": 1})
    cluster.begin()
    cluster.work(odd_fail)
    cluster.end()
    with pytest.raises(Superseded):
        cluster.begin()
