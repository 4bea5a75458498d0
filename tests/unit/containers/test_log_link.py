"""The log of a run: from the report to a link on the task, for each attempt."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.model.states import Outcome
from orchestrator.model.wire import CompleteIn, Report, TaskError
from orchestrator.service.report import complete
from orchestrator.store.codec import task_raw, task_value
from tests.fakes.cluster import Cluster
from tests.integration.values import make_end, make_row
from tests.unit.service.played import started, task


def reported(cluster: Cluster, attempt: int, log_ref: str | None, *, fails: bool) -> Sequence[str]:
    report = Report(
        job=cluster.job_id,
        index=0,
        gen=1,
        attempt=attempt,
        run_id=f"run-1234-{attempt}",
        outcome=Outcome.FAILED if fails else Outcome.SUCCEEDED,
        error=TaskError(type="ContainerExited", message="exit code 3") if fails else None,
        log_ref=log_ref,
    )
    return complete(cluster.world.deps, CompleteIn(worker_id="w-1", reports=[report])).reports


def key(cluster: Cluster, attempt: int) -> str:
    return f"tasks/{cluster.job_id}/1/0/run-1234-{attempt}.log"


def test_each_attempt_links_to_its_log() -> None:
    cluster = started(1)
    reported(cluster, 1, key(cluster, 1), fails=True)
    reported(cluster, 2, None, fails=True)
    reported(cluster, 3, key(cluster, 3), fails=False)
    links = [end.log_url for end in task(cluster).attempts]
    assert links == [
        f"memory:{key(cluster, 1)}?expires=3600",
        None,
        f"memory:{key(cluster, 3)}?expires=3600",
    ]


@pytest.mark.parametrize("log_ref", ["results/manifest.json", "tasks/another/1/0/run-1234-1.log"])
def test_a_log_that_is_not_the_run_s_own_is_refused(log_ref: str) -> None:
    cluster = started(1)
    assert reported(cluster, 1, log_ref, fails=False) == ["invalid"]


@given(
    st.none() | st.just("tasks/j/1/0/r.log"),
    st.none() | st.just(TaskError(type="T", message="m", exit_code=3)),
)
def test_the_row_keeps_error_and_log_apart(log_ref: str | None, error: TaskError | None) -> None:
    last = make_end(2, error)
    object.__setattr__(last, "log_ref", log_ref)
    row = make_row("01JDTESTTESTTESTTESTTESTTE", 0, last=last, history=(last,))
    assert task_value(task_raw(row)) == row
