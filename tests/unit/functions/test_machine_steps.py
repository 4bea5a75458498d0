"""The functions of the state machine: recorded events through the real use cases, in memory."""

from __future__ import annotations

from typing import Any

import pytest

from create_tasks.app import handler as create_tasks
from enqueue_tasks.app import handler as enqueue_tasks
from finish_job.app import handler as finish_job
from monitor_job.app import handler as monitor_job
from orchestrator.errors import NotComplete
from orchestrator.model.items import Role
from orchestrator.model.states import JobState
from orchestrator.service.access import Caller
from orchestrator.service.submit import submit_job
from orchestrator.spec import SubmitJobIn
from plan_tasks.app import handler as plan_tasks
from tests.fakes.world import World

from .conftest import CallJournal, Context, load

CALLER = Caller("acme", Role.SUBMITTER, "key")


@pytest.fixture
def job_id(world: World) -> str:
    submission = SubmitJobIn.model_validate(load("specs/count"))
    job, _ = submit_job(world.deps, CALLER, submission, idempotency_key=None, request_id="r-1")
    return job.job_id


def _event(name: str, job_id: str, **more: object) -> dict[str, Any]:
    return {**load(name), "job_id": job_id, **more}


def _to_processing(job_id: str, context: Context) -> None:
    plan_tasks(_event("plan_tasks/step", job_id), context)
    create_tasks(_event("create_tasks/step", job_id), context)
    enqueue_tasks(_event("enqueue_tasks/step", job_id), context)
    monitor_job(_event("monitor_job/step", job_id), context)


def test_the_steps_answer_what_the_machine_reads(
    world: World, job_id: str, context: Context
) -> None:
    assert plan_tasks(_event("plan_tasks/step", job_id), context)["nodes"] == [0]
    assert create_tasks(_event("create_tasks/step", job_id), context) == {"node": 0}
    assert enqueue_tasks(_event("enqueue_tasks/step", job_id), context) == {"cursor": 1000}
    assert monitor_job(_event("monitor_job/step", job_id), context) == {}
    job = world.store.get_job(job_id)
    assert job is not None
    assert (job.state, job.token) == (JobState.PROCESSING, load("monitor_job/step")["token"])
    assert finish_job(_event("finish_job/nodes", job_id), context) == {"nodes": [0]}


def test_a_refill_outside_the_machine_waits_for_processing(
    world: World, job_id: str, context: Context
) -> None:
    plan_tasks(_event("plan_tasks/step", job_id), context)
    assert enqueue_tasks(_event("enqueue_tasks/refill", job_id), context) == {"cursor": 0}
    assert world.queue.sent == []


def test_enqueueing_stops_while_there_is_time_to_end_well(
    world: World, job_id: str, context: Context
) -> None:
    plan_tasks(_event("plan_tasks/step", job_id), context)
    create_tasks(_event("create_tasks/step", job_id), context)
    context.remaining_ms = 5_000
    assert enqueue_tasks(_event("enqueue_tasks/step", job_id), context) == {"cursor": 0}


def test_a_failed_orchestration_is_stopped_drained_and_finished(
    world: World, job_id: str, context: Context
) -> None:
    _to_processing(job_id, context)
    assert finish_job(_event("finish_job/stop", job_id), context) == {}
    world.wait(31)
    assert finish_job(_event("finish_job/drained", job_id), context) == {"drained": True}
    part = finish_job(_event("finish_job/node", job_id), context)
    assert part["lines"] == 1000
    assert finish_job(_event("finish_job/last", job_id, parts=[part]), context) == {
        "state": "FAILED"
    }


def test_a_job_that_moved_on_ends_its_old_execution_quietly(
    world: World, job_id: str, context: Context, journal: CallJournal
) -> None:
    for name in ("plan_tasks/step", "finish_job/drained", "finish_job/node", "finish_job/last"):
        step = plan_tasks if name.startswith("plan") else finish_job
        assert step(_event(name, job_id, gen=2), context) == {"superseded": True}
    assert create_tasks(_event("create_tasks/step", "01JD8Z0K3V5N7Q9R1T3W5Y7Z9C"), context) == {
        "superseded": True
    }
    assert [line["message"] for line in journal.lines].count("step.superseded") == 5


def test_an_unfinished_job_is_an_error_that_the_machine_retries_by_name(
    world: World, job_id: str, context: Context, journal: CallJournal
) -> None:
    _to_processing(job_id, context)
    with pytest.raises(NotComplete):
        finish_job(_event("finish_job/node", job_id), context)
    assert journal.lines[-1]["message"] == "call.failed"
    assert journal.flushes == 5


def test_every_line_of_a_step_names_job_generation_and_execution(
    world: World, job_id: str, context: Context, journal: CallJournal
) -> None:
    create = _event("create_tasks/step", job_id)
    plan_tasks(_event("plan_tasks/step", job_id), context)
    create_tasks(create, context)
    line = journal.lines[-1]
    expected = {
        "message": "step.ended",
        "job_id": job_id,
        "gen": 1,
        "exec": 1,
        "node": 0,
        "function_request_id": context.aws_request_id,
    }
    assert expected.items() <= line.items()


def test_an_unknown_operation_is_a_bug_and_propagates(
    world: World, job_id: str, context: Context
) -> None:
    with pytest.raises(KeyError):
        finish_job(_event("finish_job/nodes", job_id, op="nonsense"), context)
