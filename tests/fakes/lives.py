"""Whole lives of jobs, healthy ones: what an observer may meet at any moment."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from orchestrator.model.items import TaskRow
from orchestrator.model.states import Outcome, TaskState
from orchestrator.model.wire import CompleteIn, Report, TaskError, TaskMessage
from orchestrator.service.control import cancel_job
from orchestrator.service.report import complete
from orchestrator.service.sweep import sweep
from tests.fakes.cluster import ALICE, Cluster, report_of

TASKS = 255
"""Two leaves, the second nearly empty."""


def odd_fail(index: int, attempt: int) -> Outcome:
    """Let every other task fail."""
    return Outcome.FAILED if index % 2 else Outcome.SUCCEEDED


def flaky(index: int, attempt: int) -> Outcome:
    """Let every third task fail at first."""
    return Outcome.FAILED if attempt == 1 and index % 3 == 0 else Outcome.SUCCEEDED


def stopped(index: int, attempt: int) -> Outcome:
    """Let every task heed the job's stop."""
    return Outcome.CANCELLED


def committed(old: TaskRow) -> TaskRow:
    """Return a RETRYING row as a success of its next attempt leaves it."""
    assert old.last is not None
    end = replace(old.last, attempt=old.attempt, outcome=Outcome.SUCCEEDED, error=None)
    changed = replace(old, state=TaskState.SUCCEEDED, due_at=None)
    return replace(changed, last=end, history=(*old.history, old.last))


def begun(cluster: Cluster, **fields: object) -> Cluster:
    """Submit a job and run its machine up to the wait."""
    cluster.submit(**{"tasks": {"count": TASKS}, "tasks_per_message": 25, **fields})
    cluster.begin()
    return cluster


def cancel(cluster: Cluster) -> None:
    """Cancel the job."""
    cancel_job(cluster.world.deps, ALICE, cluster.job_id)


def report_errors(cluster: Cluster, message: TaskMessage, errors: Mapping[int, TaskError]) -> None:
    """Let the tasks named fail with their errors, and the others of the message succeed."""
    reports = [
        report_of(message, index, Outcome.FAILED).model_copy(update={"error": errors[index]})
        if index in errors
        else report_of(message, index, Outcome.SUCCEEDED)
        for index in message.tasks()
    ]
    valid = [Report.model_validate(item.model_dump()) for item in reports]
    complete(cluster.world.deps, CompleteIn(worker_id="w-1", reports=valid))


def with_errors(
    errors: Mapping[int, TaskError], total: int, cluster: Cluster | None = None
) -> Cluster:
    """Return a job in which exactly these tasks failed, at their only attempt."""
    cluster = begun(cluster or Cluster(), tasks={"count": total}, retry={"max_attempts": 1})
    while messages := cluster.messages():
        for message in messages:
            report_errors(cluster, message, errors)
    return cluster


def plain(cluster: Cluster) -> Cluster:
    """Every task succeeds, some at their second attempt."""
    begun(cluster).work(flaky)
    cluster.end()
    return cluster


def failing(cluster: Cluster) -> Cluster:
    """Half of the tasks fail, then a retry of those succeeds."""
    begun(cluster, retry={"max_attempts": 1}).work(odd_fail)
    cluster.end()
    again = cluster.retry(tasks="failed")
    again.begin()
    again.work()
    again.end()
    return again


def cancelled(cluster: Cluster) -> Cluster:
    """Cancelled in the middle: some reports come before the end, some after, some handlers heed it."""
    first, second, third, *late = begun(cluster).messages()
    cluster.report(first, flaky)
    cancel(cluster)
    cluster.report(second, odd_fail)
    cluster.report(third, stopped)
    cluster.end()
    for message in late:
        cluster.report(message)
    return cluster


def cancelled_and_retried(cluster: Cluster) -> Cluster:
    """Cancelled, retried, cancelled again, then a third generation of some tasks runs to its end."""
    again = cancelled(cluster).retry()
    again.begin()
    message, *_ = again.messages()
    again.report(message, odd_fail)
    cancel(again)
    again.end()
    third = again.retry(indexes=[0, 1, 60, 254])
    third.begin()
    third.work()
    third.end()
    return third


def stopped_while_reopening(cluster: Cluster) -> Cluster:
    """A retry is cancelled between the rows of its tasks and their leaves; another goes through."""
    begun(cluster, retry={"max_attempts": 1}).work(odd_fail)
    cluster.end()
    again, store = cluster.retry(), cluster.world.store
    hook, reopen = store.before_write, store.reopen_leaf

    def die(*_: object) -> None:
        raise ConnectionError("the function died between rows and leaf")

    store.reopen_leaf = die  # type: ignore[assignment]
    try:
        again.begin()
    except ConnectionError:
        store.reopen_leaf, store.before_write = reopen, hook  # type: ignore[method-assign]
    cancel(again)
    again.end()
    third = again.retry(tasks="failed")
    third.begin()
    third.work()
    third.end()
    return third


def past_its_deadline(cluster: Cluster) -> Cluster:
    """The deadline stops the job in the middle."""
    first, second, *_ = begun(cluster, deadline_seconds=100).messages()
    cluster.report(first)
    cluster.world.wait(101)
    sweep(cluster.world.deps, lambda: 40.0)
    cluster.report(second, stopped)
    cluster.end()
    return cluster


def too_many_failures(cluster: Cluster) -> Cluster:
    """Failures above the tolerance stop the job."""
    tolerance = {"percent": 2.0, "when_exceeded": "stop"}
    first, second, third, *_ = begun(
        cluster, retry={"max_attempts": 1}, tolerated_failures=tolerance
    ).messages()
    cluster.report(first, odd_fail)
    cluster.report(second)
    cluster.report(third, stopped)
    cluster.end()
    return cluster


LIVES: tuple[Callable[[Cluster], Cluster], ...] = (
    plain,
    failing,
    cancelled,
    cancelled_and_retried,
    stopped_while_reopening,
    past_its_deadline,
    too_many_failures,
)
