"""Orphans: running Jobs that nobody wants any more are found and deleted, and no others."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from orchestrator.model.states import JobState
from orchestrator.model.wire import Run
from tests.unit.containers.conftest import Desk, name_of
from tests.unit.worker.conftest import JOB
from worker.api import Json
from worker.containers.janitor import ASKED_MAX, is_orphan


@pytest.fixture
def strange(make_desk: Callable[..., Desk]) -> Desk:
    """Return a desk that looks after nothing, while another worker's Job runs."""
    other, desk = make_desk(), make_desk()
    other.take()
    other.cluster.begin(name_of())
    desk.look()
    return desk


def tidy(desk: Desk, seconds: float = 121.0) -> None:
    desk.now += seconds
    desk.catch_up()
    desk.containers.janitor.tidy()


def test_a_job_whose_task_is_settled_is_deleted(strange: Desk) -> None:
    strange.api.verdicts[name_of()] = "drop"
    tidy(strange)
    assert strange.cluster.deleted == [name_of()]


def test_a_job_of_a_stopped_job_is_deleted(strange: Desk) -> None:
    strange.api.add_job(JOB, state=JobState.STOPPING)
    tidy(strange)
    assert strange.cluster.deleted == [name_of()]


def test_a_job_that_is_another_worker_s_business_is_left_alone(strange: Desk) -> None:
    tidy(strange)
    assert not strange.cluster.deleted
    (question,) = strange.api.claims[0].messages
    assert (question.job, question.tasks(), question.attempt) == (JOB, [0], 1)
    assert not question.begins, "asking counts no start"


def test_nothing_is_asked_about_what_is_new_ours_or_over(make_desk: Callable[..., Desk]) -> None:
    desk = make_desk()
    desk.take()
    tidy(desk)
    assert not desk.api.claims, "its own"
    other = make_desk()
    other.look()
    tidy(other, seconds=119)
    assert not other.api.claims, "its message may just be changing hands"
    desk.cluster.end(name_of())
    tidy(other)
    assert not other.api.claims, "it ends by itself"


def test_a_pass_asks_about_a_few_however_many_there_are(make_desk: Callable[..., Desk]) -> None:
    other, desk = make_desk(), make_desk()
    items: list[Json] = [{"image": "registry.example/team"}] * 25
    other.take(*items)
    desk.look()
    tidy(desk)
    assert [len(claim.messages) for claim in desk.api.claims] == [ASKED_MAX]


def test_an_answer_that_says_nothing_deletes_nothing(strange: Desk) -> None:
    info = strange.api.jobs[JOB]
    assert not is_orphan(None, None)
    assert not is_orphan(None, info)
    assert not is_orphan(Run(run=[0]), info)
    assert is_orphan("drop", None)
