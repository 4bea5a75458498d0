"""Deliveries: twice, at once or later, to one worker or two; what cannot be read; what waits."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest

from orchestrator.model.states import JobState
from orchestrator.policy import MAX_TIMEOUT_SECONDS
from tests.unit.worker.conftest import JOB, Stage, message, poll
from tests.unit.worker.test_dispatch import make_held
from worker import alone
from worker.ports import Received


def test_a_message_that_its_worker_runs_is_neither_run_again_nor_deleted(
    stage: Stage, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    sent = stage.queue.send(message("ok.wait", str(gate)))
    stage.start(slots=2)
    stage.wait_running()
    stage.queue.deliver_again(sent)
    stage.wait_logged("received_again")
    assert not stage.queue.deleted
    gate.touch()
    stage.queue.wait_deleted(sent)
    assert len(stage.api.reports) == len(stage.lines.of("received")) == 1
    assert not stage.started(), "its first receive is its start"


def test_a_message_that_two_workers_run_is_committed_once(stage: Stage, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    sent = stage.queue.send(message("ok.wait", str(gate)))
    stage.start(worker_id="w-1")
    stage.wait_running()
    first = next(iter(stage.parts))
    stage.start(worker_id="w-2", slots=2)
    poll(lambda: first.dispatch.room() == 0)
    stage.queue.deliver_again(sent)
    stage.wait_running(2)
    assert stage.started() == [(sent, 2)], "the second is claimed first"
    assert not stage.queue.deleted, "nobody deletes because another has it"
    gate.touch()
    poll(lambda: len(stage.api.reports) == 2)
    stage.queue.wait_deleted(sent)
    assert len({report.run_id for report in stage.api.reports}) == 2
    assert len(stage.api.committed) == 1
    statuses = [line["statuses"] for line in stage.wait_logged("reported", 2)]
    assert sorted(statuses, key=str) == [{"committed": 1}, {"duplicate": 1}]


def test_a_message_that_comes_after_its_commit_is_claimed_and_dropped(stage: Stage) -> None:
    sent = stage.queue.send(message("ok.echo", 1))
    stored = stage.queue.messages[sent]
    stage.start()
    stage.queue.wait_deleted(sent)
    stage.api.verdicts[sent] = "drop"
    stored.hidden = False
    stage.queue.messages[sent] = stored
    poll(lambda: stage.queue.deleted == [sent, sent])
    assert len(stage.api.reports) == 1


SECRET = "a-secret-of-the-user"
UNREADABLE = {
    "text": SECRET,
    "another version": json.dumps({"v": 2, "handler": SECRET}),
    "unknown field": json.dumps({**message("h", 1).model_dump(mode="json"), SECRET: SECRET}),
    "wrong type": json.dumps({**message("h", 1).model_dump(mode="json"), "start": SECRET}),
    "two leaves": message("h", 1).model_dump_json().replace('"stop":1', '"stop":999'),
    "huge": json.dumps({"handler": SECRET * 50_000}),
    "deep": "[" * 5_000 + SECRET,
    "binary": "\ud7ff\x00" + SECRET,
}


@pytest.mark.parametrize("body", UNREADABLE.values(), ids=UNREADABLE.keys())
def test_an_unreadable_message_stops_nothing_and_is_logged_without_its_content(
    stage: Stage, body: str
) -> None:
    bad = stage.queue.send(body)
    good = stage.queue.send(message("ok.echo", 1))
    stage.start(slots=2)
    stage.queue.wait_deleted(good)
    (line,) = stage.wait_logged("malformed")
    assert line["message_id"] == bad
    assert line["problems"]
    assert not any(SECRET in json.dumps(event) for event in stage.lines.events)
    assert bad in stage.queue.messages, "it is left to reach the dead-letter queue"
    assert not stage.queue.hidden_for.get(bad), "as soon as its leases run out"


def test_a_fault_of_the_worker_keeps_no_message_for_ever(stage: Stage) -> None:
    stage.api.faults.append(RuntimeError("a fault"))
    sent = stage.queue.send(message("ok.echo", 1))
    stage.start()
    stage.wait_logged("poll_failed")
    (parts,) = stage.parts
    poll(lambda: not parts.leases.all())
    stage.queue.deliver_again(sent)
    stage.queue.wait_deleted(sent)


def test_a_fault_in_a_slot_leaves_the_slot_and_the_message_usable(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage.start()
    stage.wait_logged("started")
    (parts,) = stage.parts
    note_job, faults = parts.heart.note_job, [RuntimeError("a fault")]

    def fail_once(job_id: str) -> None:
        if faults:
            raise faults.pop()
        note_job(job_id)

    monkeypatch.setattr(parts.heart, "note_job", fail_once)
    sent = stage.queue.send(message("ok.echo", 1))
    stage.wait_logged("slot_failed")
    poll(lambda: not parts.leases.all())
    assert sent in stage.queue.messages
    stage.queue.deliver_again(sent)
    stage.queue.wait_deleted(sent)


def test_no_short_task_waits_behind_a_long_one(stage: Stage, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    stage.start(worker_id="w-1")
    for _ in range(5):
        stage.queue.wait_deleted(stage.queue.send(message("ok.echo", 1)))
    (first,) = stage.parts
    assert first.dispatch.room() > 1, "so far it has met short ones only"
    long = stage.queue.send(message("ok.wait", str(gate), start=99, stop=100))
    short = [stage.queue.send(message("ok.echo", 1, start=n, stop=n + 1)) for n in range(100, 130)]
    stage.start(worker_id="w-2")

    def settled() -> set[int]:
        given = {index for item in stage.api.unstarted for index in item.tasks()}
        return given | stage.reported().keys()

    poll(lambda: settled() >= set(range(100, 130)))
    assert 99 not in settled()
    assert long in stage.queue.messages
    poll(lambda: first.dispatch.room() == 0)
    gate.touch()
    stage.queue.wait_deleted(long, *short)


def test_redelivered_singles_wait_together_only_while_they_are_short(
    stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alone, "SHARED_SECONDS", 0.05)
    gate = tmp_path / "gate"
    long = stage.queue.send(message("ok.wait", str(gate)), receive_count=1)
    others = [
        stage.queue.send(message("ok.echo", 1, start=n, stop=n + 1), receive_count=1)
        for n in (1, 2, 3)
    ]
    stage.start(slots=4)
    stage.wait_running()
    stage.wait_logged("put_back", 3)
    assert {each for each in others if stage.queue.hidden_for.get(each)} == {*others}
    assert stage.started() == [(long, 2)], "those that go back are not counted"
    gate.touch()
    stage.queue.wait_deleted(long)
    for each in others:
        stage.queue.deliver_again(each)
    stage.queue.wait_deleted(*others)


def test_patience_for_a_busy_worker_doubles_with_each_delivery() -> None:
    held = make_held()
    waits = list[float]()
    for count in range(2, 51):
        held.received = Received(message_id="m", receipt="r", receive_count=count, body="")
        waits.append(alone.patience_seconds(held))
    assert waits[:3] == [60.0, 120.0, 240.0]
    assert waits == sorted(waits)
    assert waits[-1] == alone.ALONE_MAX_SECONDS


def test_patience_leaves_the_task_its_whole_time_within_the_limit_of_sqs() -> None:
    held = make_held()
    held.received = Received(message_id="m", receipt="r", receive_count=40, body="")
    held.message = message("h", 1, timeout_seconds=float(MAX_TIMEOUT_SECONDS))
    patience = alone.patience_seconds(held)
    assert 0 < patience < 12 * 3600 - MAX_TIMEOUT_SECONDS


def test_a_drain_while_a_single_waits_to_run_alone_puts_it_back_uncounted(
    stage: Stage, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    busy = stage.queue.send(message("ok.wait", str(gate)))
    worker = stage.start(slots=2)
    stage.wait_running()
    single = stage.queue.send(message("ok.echo", 1, start=5, stop=6), receive_count=1)
    poll(lambda: stage.queue.messages[single].hidden)
    worker.stop()
    stage.wait_logged("put_back")
    gate.touch()
    stage.join()
    assert single in stage.queue.messages
    assert stage.queue.deleted == [busy]
    assert not stage.started()


def test_a_drain_gives_back_what_no_slot_has_begun(stage: Stage, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    stage.start()
    stage.queue.wait_deleted(stage.queue.send(message("ok.echo", 1)))
    sent = [
        stage.queue.send(message("ok.wait", str(gate), start=n, stop=n + 1)) for n in range(1, 6)
    ]
    stage.wait_running()
    (parts,) = stage.parts
    held = {each.received.message_id for each in parts.leases.all()}
    threading.Timer(0.5, gate.touch).start()
    stage.stop()
    given = {index for item in stage.api.unstarted for index in item.tasks()}
    assert stage.reported().keys() | given >= {sent.index(each) + 1 for each in held}
    assert not parts.leases.all()


def test_an_unknown_handler_waits_longer_each_time_and_is_never_reported(stage: Stage) -> None:
    name = "not.here" * 100
    stage.start()
    waits = list[int]()
    for count in range(8):
        sent = stage.queue.send(message(name, 1), receive_count=count)
        stage.wait_logged("put_back", count + 1)
        poll(lambda: len(stage.queue.hidden_for) == count + 1)  # noqa: B023
        waits.append(stage.queue.hidden_for[sent][0])
    assert all(30 <= wait <= 900 for wait in waits)
    assert waits[0] <= 60 < 450 <= waits[-1]
    stage.beat()
    (told,) = stage.api.heartbeats[-1].unknown_handlers
    assert told.startswith("not.here")
    assert len(told) < 200
    assert not stage.api.reports


@pytest.mark.parametrize("state", [JobState.STOPPING, JobState.CANCELLED])
def test_a_message_of_a_stopped_job_that_is_redelivered_is_claimed_and_deleted(
    stage: Stage, state: JobState
) -> None:
    stage.api.add_job(JOB, state=state)
    sent = stage.queue.send(message("ok.echo", 1), receive_count=3)
    stage.start()
    stage.queue.wait_deleted(sent)
    assert not stage.api.reports
