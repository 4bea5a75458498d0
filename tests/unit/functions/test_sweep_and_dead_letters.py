"""The sweep and the dead letters: their events, and what one bad item does to the others."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dead_letters import app as dead_letters
from orchestrator.model.items import Role
from orchestrator.model.states import TaskState
from orchestrator.service.access import Caller
from orchestrator.service.submit import submit_job
from orchestrator.spec import SubmitJobIn
from sweep.app import handler as sweep
from tests.fakes.world import World

from .conftest import CallJournal, Context, load


@pytest.fixture
def job_id(world: World) -> str:
    submission = SubmitJobIn.model_validate(load("specs/items"))
    caller = Caller("acme", Role.SUBMITTER, "key")
    job, _ = submit_job(world.deps, caller, submission, idempotency_key=None, request_id="r-1")
    return job.job_id


def test_the_schedule_sweeps_and_counts_itself(
    world: World, job_id: str, context: Context, journal: CallJournal
) -> None:
    world.machine.executions.clear()
    world.wait(61)
    context.remaining_ms = 60_000
    assert sweep(load("sweep/schedule"), context) == {"jobs": 1, "outbox": 0, "workers": 0}
    assert world.machine.status(job_id, 1, 1) == "RUNNING"
    assert world.journal.counts["SweepFinished"] == 1


def test_the_sweep_begins_nothing_in_its_last_twenty_seconds(
    world: World, job_id: str, context: Context
) -> None:
    world.wait(61)
    context.remaining_ms = 20_000
    assert sweep(load("sweep/schedule"), context) == {"jobs": 0, "outbox": 0, "workers": 0}


def test_an_aborted_execution_is_replaced_by_the_next(
    world: World, job_id: str, context: Context
) -> None:
    event = load("sweep/execution_aborted")
    event["detail"]["name"] = f"{job_id}-1-1"
    assert sweep(event, context) == {}
    assert world.machine.status(job_id, 1, 2) == "RUNNING"


@pytest.mark.parametrize("name", ["by-hand", "01JD8Z0K3V5N7Q9R1T3W5Y7Z9B", "x-1-1", "-1-1"])
def test_a_foreign_execution_is_named_and_left_alone(
    world: World, context: Context, journal: CallJournal, name: str
) -> None:
    event = load("sweep/execution_aborted")
    event["detail"]["name"] = name
    assert sweep(event, context) == {}
    assert journal.lines[-1]["message"] == "execution.foreign"
    assert world.machine.executions == {}


def _letters(job_id: str) -> dict[str, Any]:
    event = load("dead_letters/batch")
    record = event["Records"][0]
    record["body"] = record["body"].replace("01JD8Z0K3V5N7Q9R1T3W5Y7Z9B", job_id)
    return event


def test_a_letter_ends_its_tasks_and_an_unreadable_one_is_kept(
    world: World, job_id: str, context: Context
) -> None:
    event = _letters(job_id)
    assert dead_letters.handler(event, context) == {"batchItemFailures": []}
    rows = world.store.get_tasks(job_id, [0, 1])
    assert {row.state for row in rows.values()} == {TaskState.FAILED}
    unreadable = event["Records"][1]
    assert world.results.bodies[f"dead-letters/{unreadable['messageId']}"] == b"not a task message"


MESSAGE: dict[str, object] = {
    "v": 1,
    "job": "01JD8Z0K3V5N7Q9R1T3W5Y7Z9B",
    "gen": 1,
    "attempt": 1,
    "start": 0,
    "stop": 1,
    "handler": "echo",
    "timeout_seconds": 1,
}
UNREADABLE = {
    "nothing": "",
    "no JSON": "not a task message",
    "half a character": "\ud800",
    "another type": "[1]",
    "another shape": '{"key": "uploads/a.csv"}',
    "no job id": json.dumps(MESSAGE | {"job": "x"}),
    "a later version": json.dumps(MESSAGE | {"v": 2}),
    "an unknown field": json.dumps(MESSAGE | {"x": 1}),
    "tasks of two leaves": json.dumps(MESSAGE | {"stop": 251}),
}


@pytest.mark.parametrize("case", UNREADABLE)
def test_whatever_cannot_be_read_is_kept_and_counted_for_the_alarm(
    world: World, context: Context, case: str
) -> None:
    event = load("dead_letters/batch")
    event["Records"] = event["Records"][1:]
    event["Records"][0]["body"] = UNREADABLE[case]
    assert dead_letters.handler(event, context) == {"batchItemFailures": []}
    (kept,) = world.results.bodies.items()
    key, body = kept
    assert key == f"dead-letters/{event['Records'][0]['messageId']}"
    assert body == UNREADABLE[case].encode(errors="backslashreplace")
    assert world.journal.counts["DeadLettersUnreadable"] == 1


@pytest.mark.parametrize("count", [1, 2, 3])
def test_a_letter_that_is_delivered_again_changes_nothing(
    world: World, job_id: str, context: Context, count: int
) -> None:
    event = _letters(job_id)
    del event["Records"][1]
    for _ in range(count):
        assert dead_letters.handler(event, context) == {"batchItemFailures": []}
    rows = world.store.get_tasks(job_id, [0, 1])
    assert [len(row.history) for row in rows.values()] == [0, 0]
    assert {row.last.error.type for row in rows.values() if row.last and row.last.error} == {
        "DeadLetter"
    }


def test_only_the_letter_that_failed_is_delivered_again(
    world: World,
    job_id: str,
    context: Context,
    journal: CallJournal,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    event = _letters(job_id)
    broken = event["Records"][0]["messageId"]

    def settle(_: object, message_id: str, __: str) -> None:
        if message_id == broken:
            raise ConnectionError("the table cannot be reached")

    monkeypatch.setattr(dead_letters, "dead_letter", settle)
    answer = dead_letters.handler(event, context)
    assert answer == {"batchItemFailures": [{"itemIdentifier": broken}]}
    assert [line["message"] for line in journal.lines] == [
        "dead_letter.failed",
        "dead_letters.ended",
    ]


def test_a_batch_that_failed_whole_answers_all_of_its_letters(
    world: World, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    def settle(*_: object) -> None:
        raise ConnectionError("the table cannot be reached")

    monkeypatch.setattr(dead_letters, "dead_letter", settle)
    event = load("dead_letters/batch")
    failed = [{"itemIdentifier": record["messageId"]} for record in event["Records"]]
    assert dead_letters.handler(event, context) == {"batchItemFailures": failed}
