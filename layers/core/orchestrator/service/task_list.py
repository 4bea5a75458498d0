"""A job's tasks in pages, of one state or one type of error. A page costs O(page), at any size of job."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Sequence
from itertools import batched

from orchestrator.errors import InvalidCursor
from orchestrator.model.ids import LEAF_SIZE, leaf_of, offset_of
from orchestrator.model.items import Job, TaskRow
from orchestrator.model.progress import Leaf, Root
from orchestrator.model.states import Outcome, TaskState
from orchestrator.service.access import Caller, own_job, own_job_and_leaf
from orchestrator.service.cursor import decode_cursor, encode_cursor
from orchestrator.service.ports import Deps
from orchestrator.service.read import RunningNow, running_now, task_views
from orchestrator.service.views import TaskOut, error_of, last_end
from orchestrator.service.walk import find_tasks

PAGE_MAX_BYTES = 900_000
"""Below 1 MB, whatever the errors and inputs on the page hold."""
EXAMINED_MAX = 1_000
"""Tasks whose rows a page of one type of error looks at; 0.12 ms of CPU each."""
_ROWS_AT_ONCE = LEAF_SIZE
"""Rows read before it is seen whether the page is full: 1 MB, where each has an error of 4 KB."""
_WITH_ERRORS = frozenset(TaskState) - {TaskState.SUCCEEDED, TaskState.PENDING}
"""States of tasks that may show an error. PENDING ones have not ended; what a retry reopened is RETRYING."""

type _Found = tuple[int, Leaf | None]


def list_tasks(
    deps: Deps,
    caller: Caller,
    job_id: str,
    *,
    state: TaskState | None,
    limit: int,
    cursor: str | None,
    error_type: str | None = None,
) -> str:
    """List a job's tasks by index, limited by count and by bytes. Raises NotFound, InvalidCursor.

    With `error_type` those whose newest error is of exactly this type; a page looks at EXAMINED_MAX tasks, so
    it may hold fewer than there are, or none, and still name a next one.
    Return a TaskPage as JSON: what fits is known by encoding each task, which is not done twice.
    """
    owner = ["tasks", job_id, state, *_named(error_type)]
    first = decode_cursor(deps.cursor_key(), owner, cursor) if cursor is not None else 0
    if isinstance(first, str):
        raise InvalidCursor("the cursor comes from another list")
    examined = limit if error_type is None else EXAMINED_MAX
    states = _states(state, error_type)
    job, found, running = _candidates(deps, caller, job_id, states, first, examined + 1)
    page = _Page(limit)
    full = not _fill(page, deps, job, found[:examined], running, error_type)
    # From the task behind the last one on: what lies between it and the next may match by then.
    last = page.last if full else found[examined - 1][0] if len(found) > examined else None
    next_cursor = encode_cursor(deps.cursor_key(), owner, last + 1) if last is not None else None
    return f'{{"tasks":[{",".join(page.texts)}],"next_cursor":{json.dumps(next_cursor)}}}'


def _named(error_type: str | None) -> list[str]:
    """Return what binds a cursor to a type of error: its digest, since the type may be as long as a cursor."""
    return [hashlib.sha256(error_type.encode()).hexdigest()[:16]] if error_type is not None else []


def _states(state: TaskState | None, error_type: str | None) -> frozenset[TaskState] | None:
    wanted = frozenset({state}) if state is not None else None
    if error_type is None:
        return wanted
    return _WITH_ERRORS if wanted is None else wanted & _WITH_ERRORS


def _candidates(
    deps: Deps,
    caller: Caller,
    job_id: str,
    states: Collection[TaskState] | None,
    first: int,
    limit: int,
) -> tuple[Job, list[_Found], RunningNow]:
    """Return the job, up to `limit` tasks of it from index `first` on, and what runs.

    A list of all tasks needs no counts, so the page's leaf comes with the job, by one request.
    """
    if states is None:
        number = leaf_of(first)
        job, leaf = own_job_and_leaf(deps, caller, job_id, number)
        root, known = Root(), {number: leaf}
    else:
        (job, root), known = own_job(deps, caller, job_id), {}
    running = running_now(deps, job)
    return job, find_tasks(deps, job, root, states, first, limit, running.keys(), known), running


class _Page:
    """The tasks of a page as JSON: at most `limit`, and as many as fit its bytes, at least one.

    `last` is the index of the last one.
    """

    def __init__(self, limit: int) -> None:
        self.texts: list[str] = []
        self.last: int | None = None
        self._limit = limit
        self._size = 0

    @property
    def room(self) -> int:
        """How many tasks it may still take."""
        return self._limit - len(self.texts)

    def add(self, view: TaskOut) -> bool:
        """Add a task; False where it does not fit."""
        text = view.model_dump_json()
        self._size += len(text.encode()) + len(",")
        if self.texts and self._size > PAGE_MAX_BYTES:
            return False
        self.texts.append(text)
        self.last = view.index
        return True


def _fill(
    page: _Page,
    deps: Deps,
    job: Job,
    candidates: Sequence[_Found],
    running: RunningNow,
    error_type: str | None,
) -> bool:
    """Fill the page from candidates; False where it is full and some are left.

    Rows and inputs are read in turns: a page that is full of large tasks does not pay for those behind it.
    """
    for chunk in batched(candidates, _ROWS_AT_ONCE, strict=False):
        rows = deps.store.get_tasks(job.job_id, [index for index, _ in chunk])
        wanted = [
            (index, leaf)
            for index, leaf in chunk
            if error_type is None or _has_error(index, leaf, rows.get(index), error_type)
        ]
        room = page.room
        for view in task_views(deps, job, wanted[:room], rows, running):
            if not page.add(view):
                return False
        if len(wanted) > room:
            return False
    return True


def _has_error(index: int, leaf: Leaf | None, row: TaskRow | None, error_type: str) -> bool:
    """Tell whether the newest error is of this type, as the groups of errors name it."""
    end = last_end(row)
    if error_of(end)[0] != error_type:
        return False
    state = leaf.state(offset_of(index)) if leaf is not None else TaskState.PENDING
    if state in (TaskState.FAILED, TaskState.RETRYING):
        return True
    return end is not None and end.outcome is not Outcome.SUCCEEDED
