"""Failures grouped: tasks whose last errors are alike but for numbers and ids, with how many and which."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from pydantic import BaseModel, ConfigDict

from orchestrator.errors import InvalidCursor, cut
from orchestrator.model.ids import task_id
from orchestrator.model.items import Job, TaskRow
from orchestrator.model.states import TaskState
from orchestrator.service.access import Caller, own_job
from orchestrator.service.cursor import decode_cursor, encode_cursor
from orchestrator.service.ports import Deps
from orchestrator.service.views import error_of, job_counts, last_end
from orchestrator.service.walk import find_tasks

GROUPS_MAX = 100
"""Groups of a page: with messages of 1,000 characters each, far below 1 MB."""
SAMPLES_MAX = 5
PATTERN_MAX_CHARS = 200
_FOLDS = (
    # UUIDs; ULIDs and other long runs that hold a digit; numbers, also with signs, units and points.
    (re.compile(r"\b[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\b"), "<id>"),
    (re.compile(r"\b(?=[A-Za-z_-]*\d)[A-Za-z0-9_-]{16,}\b"), "<id>"),
    (re.compile(r"\b0[xX][0-9a-fA-F]+\b|\b(?=[a-f]*\d)[0-9a-f]{8,}\b"), "<id>"),
    (re.compile(r"\d+(?:[.,:]\d+)*"), "<n>"),
)


def fold_message(message: str) -> str:
    """Return the message's first line with ids as <id> and numbers as <n>, cut to 200 characters."""
    line = message.strip().partition("\n")[0]
    for pattern, name in _FOLDS:
        line = pattern.sub(name, line)
    return cut(line, PATTERN_MAX_CHARS)


class ErrorGroup(BaseModel):
    """Tasks with one type of error and one message, but for numbers and ids. `message` is one of them."""

    model_config = ConfigDict(frozen=True)

    error_type: str
    pattern: str
    message: str
    count: int
    outcomes: dict[str, int]
    first_index: int
    task_ids: list[str]


class ErrorPage(BaseModel):
    """Groups of `read` tasks, most frequent first. `total`: the job's tasks in this state by its counts.

    `complete`: this page alone covers the job. Else pages are added up by error_type and pattern.
    """

    model_config = ConfigDict(frozen=True)

    job_id: str
    state: TaskState
    groups: list[ErrorGroup]
    read: int
    total: int
    complete: bool
    next_cursor: str | None


@dataclass(slots=True)
class _Group:
    message: str
    indexes: list[int] = field(default_factory=list)
    outcomes: Counter[str] = field(default_factory=Counter)


def group_errors(
    deps: Deps, caller: Caller, job_id: str, *, state: TaskState, limit: int, cursor: str | None
) -> ErrorPage:
    """Group the last errors of up to `limit` tasks in `state`, by index. Raises NotFound, InvalidCursor.

    Reads the leaves that hold such tasks, and their rows.
    """
    job, root = own_job(deps, caller, job_id)
    owner = ["errors", job_id, state]
    first = decode_cursor(deps.cursor_key(), owner, cursor) if cursor is not None else 0
    if isinstance(first, str):
        raise InvalidCursor("the cursor comes from another list")
    found = [index for index, _ in find_tasks(deps, job, root, {state}, first, limit + 1, (), {})]
    rows = deps.store.get_tasks(job_id, found[:limit])
    groups, after = _collect((index, rows.get(index)) for index in found[:limit])
    if after is None and len(found) > limit:
        after = found[limit]
    counts = job_counts(job, root, deps.now())
    return ErrorPage(
        job_id=job_id,
        state=state,
        groups=[_view(job, *item) for item in _by_frequency(groups)],
        read=sum(len(group.indexes) for group in groups.values()),
        total=counts.failed if state is TaskState.FAILED else root.tally().retrying,
        complete=cursor is None and after is None,
        next_cursor=encode_cursor(deps.cursor_key(), owner, after) if after is not None else None,
    )


type _Key = tuple[str, str]


def _collect(rows: Iterable[tuple[int, TaskRow | None]]) -> tuple[dict[_Key, _Group], int | None]:
    """Return the groups, and the index of the row that would begin one too many."""
    groups: dict[_Key, _Group] = {}
    for index, row in rows:
        end = last_end(row)
        error_type, message = error_of(end)
        key = (error_type, fold_message(message))
        if key not in groups:
            if len(groups) == GROUPS_MAX:
                return groups, index
            groups[key] = _Group(message)
        groups[key].indexes.append(index)
        groups[key].outcomes[end.outcome if end is not None else "unknown"] += 1
    return groups, None


def _by_frequency(groups: dict[_Key, _Group]) -> list[tuple[_Key, _Group]]:
    return sorted(groups.items(), key=lambda item: (-len(item[1].indexes), item[1].indexes[0]))


def _view(job: Job, key: _Key, group: _Group) -> ErrorGroup:
    return ErrorGroup(
        error_type=key[0],
        pattern=key[1],
        message=group.message,
        count=len(group.indexes),
        outcomes=dict(sorted(group.outcomes.items())),
        first_index=group.indexes[0],
        task_ids=[task_id(job.job_id, index) for index in group.indexes[:SAMPLES_MAX]],
    )
