"""Lists of tasks by type of error, and pages that are bounded by bytes: each task once, at a bounded cost."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from orchestrator.errors import InvalidCursor, NotFound
from orchestrator.model.items import Role, TaskRow
from orchestrator.model.states import Outcome, TaskState
from orchestrator.model.wire import (
    ERROR_MESSAGE_MAX_CHARS,
    ERROR_TRACEBACK_MAX_CHARS,
    ERROR_TYPE_MAX_CHARS,
    TaskError,
)
from orchestrator.service.access import Caller
from orchestrator.service.error_groups import group_errors
from orchestrator.service.task_list import EXAMINED_MAX, list_tasks
from orchestrator.service.views import TaskPage
from tests.fakes.cluster import ALICE, Cluster
from tests.fakes.lives import begun, cancel, report_errors, with_errors


def page_text(
    cluster: Cluster,
    error_type: str | None = None,
    *,
    state: TaskState | None = None,
    limit: int = 1_000,
    cursor: str | None = None,
    caller: Caller = ALICE,
) -> str:
    return list_tasks(
        cluster.world.deps, caller, cluster.job_id, state=state, error_type=error_type, limit=limit,
        cursor=cursor,
    )  # fmt: skip


def pages(cluster: Cluster, error_type: str | None = None, **filters: object) -> list[list[int]]:
    """Return the indexes of each page."""
    found, cursor = list[list[int]](), None
    while True:
        text = page_text(cluster, error_type, cursor=cursor, **filters)  # type: ignore[arg-type]
        page = TaskPage.model_validate_json(text)
        found.append([task.index for task in page.tasks])
        cursor = page.next_cursor
        if cursor is None:
            return found


def listed(cluster: Cluster, error_type: str | None = None, **filters: object) -> list[int]:
    return [index for page in pages(cluster, error_type, **filters) for index in page]


def three_types(total: int) -> dict[int, TaskError]:
    return {i: TaskError(type=f"E{i % 3}", message="bad") for i in range(0, total, 5)}


@pytest.mark.parametrize("state", [None, TaskState.FAILED])
@pytest.mark.parametrize("limit", [1, 7, 40, 1_000])
def test_tasks_of_exactly_one_type_are_listed_once_each(
    state: TaskState | None, limit: int
) -> None:
    errors = three_types(600)
    cluster = with_errors(errors, 600)
    wanted = [index for index, error in errors.items() if error.type == "E1"]
    found = pages(cluster, "E1", state=state, limit=limit)
    assert [index for page in found for index in page] == wanted
    assert [len(page) for page in found[:-1]] == [limit] * (len(found) - 1)
    assert listed(cluster, "E", state=state) == [], "a part of the name is another type"


def test_every_group_of_errors_lists_as_many_tasks_as_it_counts() -> None:
    cluster = with_errors(three_types(400), 400)
    groups = group_errors(
        cluster.world.deps, ALICE, cluster.job_id, state=TaskState.FAILED, limit=1_000, cursor=None
    ).groups
    assert len(groups) == 3
    for group in groups:
        assert len(listed(cluster, group.error_type, state=TaskState.FAILED)) == group.count


def test_a_failure_without_an_error_is_listed_by_its_outcome_as_its_group_is_named() -> None:
    cluster = begun(Cluster(), tasks={"count": 10}, retry={"max_timeouts": 1})
    for message in cluster.messages():
        cluster.report(message, lambda *_: Outcome.TIMED_OUT)
    (group,) = group_errors(
        cluster.world.deps, ALICE, cluster.job_id, state=TaskState.FAILED, limit=1_000, cursor=None
    ).groups
    assert len(listed(cluster, group.error_type)) == 10


def test_tasks_that_are_tried_again_are_found_with_and_without_their_state() -> None:
    error = TaskError(type="Flaky", message="try again")
    cluster = begun(Cluster(), tasks={"count": 10}, retry={"max_attempts": 5})
    first, *_ = cluster.messages()
    report_errors(cluster, first, {3: error})
    assert listed(cluster, "Flaky") == listed(cluster, "Flaky", state=TaskState.RETRYING) == [3]
    assert listed(cluster, "Flaky", state=TaskState.FAILED) == []
    cancel(cluster)
    cluster.end()
    assert listed(cluster, "Flaky", state=TaskState.CANCELLED) == listed(cluster, "Flaky") == [3]


def test_a_task_that_succeeded_at_last_is_not_listed_by_what_it_failed_with() -> None:
    cluster = with_errors({3: TaskError(type="Boom", message="it broke")}, 10)
    cluster.end()
    again = cluster.retry()
    again.begin()
    assert listed(again, "Boom") == [3]
    again.work()
    assert listed(again, "Boom") == listed(again, "succeeded") == []


@pytest.mark.parametrize("state", [TaskState.SUCCEEDED, TaskState.PENDING])
def test_states_without_errors_have_none_of_any_type(state: TaskState) -> None:
    cluster = begun(Cluster(), tasks={"count": 1_500})
    assert pages(cluster, "unknown", state=state) == [[]]
    assert pages(cluster, "unknown") == [[]], "tasks that have not run are not looked at"


@pytest.fixture
def rows_read(monkeypatch: pytest.MonkeyPatch) -> Callable[[Cluster], list[int]]:
    """Return how many rows each read of a cluster's tasks asks for, from the call on."""

    def count(cluster: Cluster) -> list[int]:
        store, asked = cluster.world.store, list[int]()
        read = store.get_tasks

        def counted(job_id: str, indexes: Sequence[int]) -> dict[int, TaskRow]:
            asked.append(len(indexes))
            return read(job_id, indexes)

        monkeypatch.setattr(store, "get_tasks", counted)
        return asked

    return count


def test_a_page_of_a_rare_type_looks_at_a_bounded_number_of_tasks(
    rows_read: Callable[[Cluster], list[int]],
) -> None:
    total = EXAMINED_MAX + 500
    errors = {i: TaskError(type="Common", message="bad") for i in range(total)}
    errors[total - 1] = TaskError(type="Rare", message="bad")
    cluster = with_errors(errors, total)
    asked = rows_read(cluster)
    first = TaskPage.model_validate_json(page_text(cluster, "Rare"))
    assert (first.tasks, sum(asked)) == ([], EXAMINED_MAX)
    assert pages(cluster, "Rare") == [[], [total - 1]]


def test_a_page_that_is_full_early_reads_no_more(
    rows_read: Callable[[Cluster], list[int]],
) -> None:
    cluster = with_errors({i: TaskError(type="E", message="bad") for i in range(1_000)}, 1_000)
    asked = rows_read(cluster)
    page_text(cluster, "E", limit=10)
    assert sum(asked) <= 250


def test_pages_of_a_thousand_large_errors_stay_below_a_megabyte_and_hold_each_task_once(
    rows_read: Callable[[Cluster], list[int]],
) -> None:
    large = TaskError(
        type="E" * ERROR_TYPE_MAX_CHARS,
        message="é" * ERROR_MESSAGE_MAX_CHARS,
        traceback='"\\\n' * (ERROR_TRACEBACK_MAX_CHARS // 3),
    )
    assert len(large.model_dump_json().encode()) > 4_096
    cluster = with_errors(dict.fromkeys(range(1_000), large), 1_000)
    asked = rows_read(cluster)
    for error_type in (None, large.type):
        seen, cursor, texts = list[int](), None, list[str]()
        while True:
            text = page_text(cluster, error_type, state=TaskState.FAILED, cursor=cursor)
            texts.append(text)
            page = TaskPage.model_validate_json(text)
            seen += [task.index for task in page.tasks]
            cursor = page.next_cursor
            if cursor is None:
                break
        assert seen == list(range(1_000))
        assert max(len(text.encode()) for text in texts) < 1_000_000
        assert min(len(text.encode()) for text in texts[:-1]) > 800_000, "pages are full"
    assert max(asked) <= 250, "not all rows are in memory at once"


def test_a_page_of_a_thousand_small_tasks_is_one() -> None:
    cluster = begun(Cluster(), tasks={"count": 1_000})
    cluster.work()
    assert pages(cluster) == [list(range(1_000))]
    assert [len(page) for page in pages(cluster, limit=999)] == [999, 1]


def test_what_comes_to_match_behind_a_page_is_on_the_next_one() -> None:
    cluster = begun(Cluster(), tasks={"count": 100}, retry={"max_attempts": 1})
    error = TaskError(type="E", message="bad")
    first, second, third, fourth = cluster.messages()
    report_errors(cluster, first, {0: error})
    report_errors(cluster, fourth, {99: error})
    page = TaskPage.model_validate_json(page_text(cluster, "E", limit=1))
    assert [task.index for task in page.tasks] == [0]
    report_errors(cluster, second, {40: error})
    report_errors(cluster, third, {})
    rest = page_text(cluster, "E", limit=10, cursor=page.next_cursor)
    assert [task.index for task in TaskPage.model_validate_json(rest).tasks] == [40, 99]


def test_cursors_are_of_one_type_short_for_the_longest_and_the_list_one_tenant_s() -> None:
    name = "漢" * ERROR_TYPE_MAX_CHARS
    cluster = with_errors({i: TaskError(type=name, message="bad") for i in range(20)}, 20)
    cursor = TaskPage.model_validate_json(page_text(cluster, name, limit=5)).next_cursor
    assert cursor is not None
    assert len(cursor) <= 500
    for other, state in ((None, None), ("E", None), (name, TaskState.FAILED)):
        with pytest.raises(InvalidCursor):
            page_text(cluster, other, state=state, cursor=cursor)
    with pytest.raises(NotFound):
        page_text(cluster, name, caller=Caller("other", Role.ADMIN, "eve"))
