"""Lists of tasks by type of error over every store, and pages of large errors."""

from __future__ import annotations

import pytest

from orchestrator.model.states import TaskState
from orchestrator.model.wire import ERROR_MESSAGE_MAX_CHARS, ERROR_TRACEBACK_MAX_CHARS, TaskError
from orchestrator.service.ports import Store
from orchestrator.service.task_list import list_tasks
from orchestrator.service.views import TaskPage
from tests.fakes.cluster import ALICE, Cluster
from tests.fakes.lives import with_errors
from tests.integration.values import a_world

TOTAL = 300
"""Two leaves, of which one is read by query and one by key."""


def listed(cluster: Cluster, error_type: str, state: TaskState | None) -> tuple[list[int], int]:
    """Return the indexes over all pages, and the bytes of the largest one."""
    found, cursor, most = list[int](), None, 0
    while True:
        text = list_tasks(
            cluster.world.deps, ALICE, cluster.job_id, state=state, error_type=error_type,
            limit=1_000, cursor=cursor,
        )  # fmt: skip
        page = TaskPage.model_validate_json(text)
        found += [task.index for task in page.tasks]
        cursor, most = page.next_cursor, max(most, len(text.encode()))
        if cursor is None:
            return found, most


@pytest.mark.parametrize("state", [None, TaskState.FAILED])
def test_tasks_of_one_type_of_error_are_listed_once_on_every_store(
    store: Store, job_id: str, state: TaskState | None
) -> None:
    large = TaskError(
        type="Large",
        message="m" * ERROR_MESSAGE_MAX_CHARS,
        traceback="t" * ERROR_TRACEBACK_MAX_CHARS,
    )
    small = TaskError(type="large", message="another type")
    errors = {index: large if index % 7 else small for index in range(260)}
    cluster = with_errors(errors, TOTAL, Cluster(world=a_world(store, job_id)))
    found, most = listed(cluster, "Large", state)
    assert found == [index for index in range(260) if index % 7]
    assert most < 1_000_000
    assert listed(cluster, "large", state)[0] == list(range(0, 260, 7))
    assert listed(cluster, "none", state)[0] == []
