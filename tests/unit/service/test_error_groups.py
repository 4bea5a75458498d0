"""Failures in groups: what folds together, and that pages add up to the whole."""

from __future__ import annotations

from collections import Counter

import pytest

from orchestrator.errors import InvalidCursor, NotFound
from orchestrator.model.items import Role
from orchestrator.model.states import TaskState
from orchestrator.model.wire import TaskError
from orchestrator.service.access import Caller
from orchestrator.service.error_groups import GROUPS_MAX, ErrorPage, fold_message, group_errors
from tests.fakes.cluster import ALICE, Cluster
from tests.fakes.lives import begun, cancel, report_errors, with_errors


@pytest.mark.parametrize(
    ("message", "pattern"),
    [
        ("row 17 is bad", "row <n> is bad"),
        ("took 12.5s of 10s", "took <n>s of <n>s"),
        ("at 2026-11-26 09:15:07", "at <n>-<n>-<n> <n>"),
        ("key 0b4d4c2e-6c1b-4f5a-9a55-0c7f3f1d2b3a is gone", "key <id> is gone"),
        ("job 01JD8Z0K3V5N7Q9R1T3W5Y7Z9B failed", "job <id> failed"),
        ("object at 0x7f2b9c", "object at <id>"),
        ("commit deadbeef1 of main", "commit <id> of main"),
        ("no such internationalisation", "no such internationalisation"),
        ("  first line 1\nsecond line", "first line <n>"),
        ("", ""),
    ],
)
def test_numbers_and_ids_are_folded_and_words_are_not(message: str, pattern: str) -> None:
    assert fold_message(message) == pattern


def test_a_long_message_is_cut() -> None:
    assert len(fold_message("word " * 400)) == 200


def page(
    cluster: Cluster, limit: int = 1_000, cursor: str | None = None,
    state: TaskState = TaskState.FAILED,
) -> ErrorPage:  # fmt: skip
    return group_errors(
        cluster.world.deps, ALICE, cluster.job_id, state=state, limit=limit, cursor=cursor
    )


def test_failures_that_are_alike_are_one_group_the_largest_first() -> None:
    errors = {i: TaskError(type="ValueError", message=f"row {i} is bad") for i in range(0, 40, 4)}
    errors[7] = TaskError(type="ValueError", message="other")
    errors[301] = TaskError(type="KeyError", message="row 5 is bad")
    cluster = with_errors(errors, 400)
    found = page(cluster)
    first, *rest = found.groups
    assert (first.error_type, first.pattern, first.count) == ("ValueError", "row <n> is bad", 10)
    assert first.message == "row 0 is bad"
    assert first.task_ids == [f"{cluster.job_id}-{index}" for index in (0, 4, 8, 12, 16)]
    assert first.outcomes == {"failed": 10}
    assert [(g.error_type, g.first_index) for g in rest] == [("ValueError", 7), ("KeyError", 301)]
    assert (found.read, found.total, found.complete, found.next_cursor) == (12, 12, True, None)


def test_pages_add_up_and_say_that_they_are_parts() -> None:
    errors = {i: TaskError(type=f"E{i % 3}", message=f"bad {i}") for i in range(0, 600, 5)}
    cluster = with_errors(errors, 600)
    counted: Counter[str] = Counter()
    cursor, pages = None, 0
    while True:
        part = page(cluster, limit=50, cursor=cursor)
        counted.update({group.error_type: group.count for group in part.groups})
        assert (part.total, part.complete) == (120, False)
        assert part.read <= 50
        cursor, pages = part.next_cursor, pages + 1
        if cursor is None:
            break
    assert pages == 3
    assert counted == {"E0": 40, "E1": 40, "E2": 40}


def test_a_page_ends_before_it_has_too_many_groups() -> None:
    errors = {i: TaskError(type=f"E{i}", message="bad") for i in range(GROUPS_MAX + 20)}
    cluster = with_errors(errors, 200)
    first = page(cluster)
    assert (len(first.groups), first.read, first.complete) == (GROUPS_MAX, GROUPS_MAX, False)
    rest = page(cluster, cursor=first.next_cursor)
    assert {g.error_type for g in first.groups + rest.groups} == {e.type for e in errors.values()}
    assert rest.next_cursor is None


def test_errors_of_attempts_that_are_tried_again_can_be_asked_for() -> None:
    error = TaskError(type="Flaky", message="try again")
    cluster = begun(Cluster(), tasks={"count": 10}, retry={"max_attempts": 5})
    first, *_ = cluster.messages()
    report_errors(cluster, first, {3: error})
    assert page(cluster).groups == []
    (group,) = page(cluster, state=TaskState.RETRYING).groups
    assert (group.error_type, group.count, group.task_ids) == ("Flaky", 1, [f"{cluster.job_id}-3"])


def test_a_reopened_task_shows_what_it_failed_with_before() -> None:
    cluster = with_errors({3: TaskError(type="Boom", message="it broke")}, 10)
    cluster.end()
    again = cluster.retry()
    again.begin()
    (group,) = page(again, state=TaskState.RETRYING).groups
    assert group.error_type == "Boom"


def test_tasks_that_were_cancelled_are_no_failures() -> None:
    cluster = begun(Cluster())
    cancel(cluster)
    cluster.end()
    assert (page(cluster).groups, page(cluster).total) == ([], 0)


def test_it_is_one_tenant_s_and_cursors_are_of_one_state() -> None:
    errors = {i: TaskError(type="E", message="bad") for i in range(10)}
    cluster = with_errors(errors, 20)
    cursor = page(cluster, limit=5).next_cursor
    with pytest.raises(InvalidCursor):
        page(cluster, cursor=cursor, state=TaskState.RETRYING)
    with pytest.raises(NotFound):
        group_errors(
            cluster.world.deps, Caller("other", Role.ADMIN, "eve"), cluster.job_id,
            state=TaskState.FAILED, limit=5, cursor=None,
        )  # fmt: skip
