"""A task's row against its set and against itself. Pure; the leaf was read before the row (audit_tree)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from orchestrator.model.ids import offset_of
from orchestrator.model.items import Job, TaskRow
from orchestrator.model.progress import Leaf
from orchestrator.model.states import Outcome, TaskState
from orchestrator.service.audit_kinds import Facts, Finding, Place, expired

COMMIT_MAX = timedelta(seconds=60)
"""A report's time is taken before its row is written; no function that settles reports lives longer."""
_REPORTED = (TaskState.SUCCEEDED, TaskState.FAILED, TaskState.RETRYING)
"""States that a set can only have from a row."""


def check_task(facts: Facts, leaf: Leaf, index: int, row: TaskRow | None) -> Iterator[Finding]:
    """Hold a task's row to its set, and to itself."""
    state = leaf.state(offset_of(index))
    place: Place = ("task", index)
    if facts.final and not state.final:
        seen = f"{state} by the sets, {row.state if row else 'no'} row"
        yield Finding("task_not_final", place, "a final set", seen)
    if row is None:
        if state in _REPORTED or (leaf.gen > 1 and not state.final):
            yield expired(place) if facts.expired else Finding("row_missing", place, state, "none")
        return
    kind = _disagreement(facts, leaf, state, row)
    if kind is not None:
        seen = f"{row.state}, generation {row.gen}, attempt {row.attempt}"
        yield Finding(kind, place, f"{state}, generation {leaf.gen}", seen)
    yield from _check_row(place, row)


def _disagreement(facts: Facts, leaf: Leaf, state: TaskState, row: TaskRow) -> str | None:
    """Return the kind of finding that row and set make together, None where they agree."""
    if row.gen > facts.job.gen:
        return "row_generation"
    if row.gen > leaf.gen:
        opened = state.final and state is not TaskState.SUCCEEDED and _untouched(row)
        return "reopening" if opened else "row_generation"
    if not state.final:
        return _open_disagreement(leaf, state, row)
    if row.state is state:
        return None
    return _final_disagreement(facts.job, state, row)


def _open_disagreement(leaf: Leaf, state: TaskState, row: TaskRow) -> str | None:
    """Compare where no set has ended the task."""
    if row.gen < leaf.gen:
        return "row_generation"  # A leaf is reopened after the rows of its tasks.
    if row.state.final or (row.state is TaskState.RETRYING and state is TaskState.PENDING):
        return "row_ahead"
    unknown = state is TaskState.RETRYING and row.state is TaskState.PENDING and row.gen == 1
    return "row_differs" if unknown else None


def _final_disagreement(job: Job, state: TaskState, row: TaskRow) -> str | None:
    """Compare where a set has ended the task, otherwise than its row says."""
    if state is TaskState.SUCCEEDED:
        return "row_differs"
    if state is TaskState.FAILED:
        stopped = row.gen < job.gen or job.stop is not None
        return "reopening_stopped" if _untouched(row) and stopped else "row_differs"
    if not row.state.final:
        return None  # It was waiting, running or retrying when its leaf was closed.
    if row.state not in (TaskState.SUCCEEDED, TaskState.FAILED):
        return "row_differs"
    return "lost_commit" if _came_before_the_stop(job, row) else "late_commit"


def _untouched(row: TaskRow) -> bool:
    """Tell whether a retry opened the row and nothing was reported since."""
    return row.gen > 1 and row.state is TaskState.PENDING and row.last is None


def _came_before_the_stop(job: Job, row: TaskRow) -> bool:
    """Tell whether the row was written before the job was stopped, hence before its leaf was closed."""
    return (
        job.stop is not None
        and row.gen == job.gen
        and row.last is not None
        and row.last.at < job.stop.at - COMMIT_MAX
    )


def _check_row(place: Place, row: TaskRow) -> Iterator[Finding]:
    """Hold a row to itself: its state, its newest attempt and those before."""
    ends = [*row.history, *([row.last] if row.last is not None else [])]
    attempts = [end.attempt for end in ends]
    early = [end.attempt for end in ends[:-1] if end.outcome is Outcome.SUCCEEDED]
    if row.last is None and ends and ends[-1].outcome is Outcome.SUCCEEDED:
        early.append(ends[-1].attempt)
    seen = ", ".join(f"{end.attempt} {end.outcome}" for end in ends)
    if len(set(attempts)) < len(attempts) or (early and row.gen == 1):
        yield Finding("two_commits", place, "one end an attempt, success last", seen)
    elif early:
        yield Finding("earlier_success", place, "no success before", seen)
    wrong = _contradiction(row, attempts)
    if wrong is not None:
        yield Finding("row_inconsistent", place, *wrong)


def _contradiction(row: TaskRow, attempts: list[int]) -> tuple[str, str] | None:
    """Return what the row's state demands, and what the row has instead."""
    if attempts != sorted(attempts):
        return "attempts in order", str(attempts)
    if row.state is TaskState.PENDING:
        return ("no outcome", f"one of attempt {row.last.attempt}") if row.last else None
    if row.last is None:
        return f"an outcome: it is {row.state}", "none"
    newest = row.attempt - (row.state is TaskState.RETRYING)
    if row.last.attempt != newest:
        return f"the outcome of attempt {newest}", f"attempt {row.last.attempt}"
    if (row.last.outcome is Outcome.SUCCEEDED) != (row.state is TaskState.SUCCEEDED):
        return f"an outcome of {row.state}", row.last.outcome
    if row.state is TaskState.RETRYING and row.due_at is None:
        return "a due time: it is RETRYING", "none"
    return None
