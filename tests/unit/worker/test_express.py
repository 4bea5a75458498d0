"""The express lane: its messages are taken first, have a slot of their own, and belong to their own queue."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.model.lanes import Lane
from tests.unit.worker.conftest import Stage, message, poll
from worker.api import Json
from worker.quiet import Quiet

BACKLOG = 100
EXPRESS = 5_000
"""The first index of express messages."""


def backlog(stage: Stage, text: str, start: int = 0, stop: int = BACKLOG) -> None:
    for n in range(start, stop):
        stage.queue.send(message("ok.note", text, start=n, stop=n + 1))


def express(stage: Stage, handler: str, text: Json, number: int = 0, **changes: int) -> str:
    index = EXPRESS + number
    sent = message(handler, text, start=index, stop=index + 1)
    return stage.express.send(sent, **changes)


def wait_until_sought(stage: Stage, sent: str) -> None:
    """Wait until an express message is ready for a slot, or is looked for as soon as one is free."""
    dispatch, leases = stage.parts[0].dispatch, stage.parts[0].leases

    def sought() -> bool:
        ready = any(held.ready_at for held in leases.all() if held.lane is Lane.EXPRESS)
        return dispatch.must_look or ready or sent in stage.express.deleted

    poll(sought)


def begun(notes: Path) -> list[int]:
    return [int(line) for line in notes.read_text().splitlines()] if notes.exists() else []


def test_while_a_handler_that_never_ends_holds_all_other_slots_express_messages_run(
    stage: Stage, tmp_path: Path
) -> None:
    notes = tmp_path / "notes"
    backlog(stage, f"{notes}|{tmp_path / 'never'}")
    stage.start(slots=2, express_slots=1, drain_seconds=0)
    poll(lambda: len(begun(notes)) == 2)
    sent = [express(stage, "ok.note", str(notes), n) for n in range(10)]
    stage.express.wait_deleted(*sent)
    assert sorted(begun(notes))[2:] == [EXPRESS + n for n in range(10)]
    assert stage.lines.of("received")[-1]["tasks"], "the log tells what was received"
    assert not stage.api.unstarted, "nothing was received that found no slot"


@pytest.mark.parametrize(("slots", "express_slots"), [(1, 0), (2, 0), (2, 1)])
def test_an_express_message_begins_before_any_further_ordinary_one(
    stage: Stage, tmp_path: Path, slots: int, express_slots: int
) -> None:
    """One slot becomes free; the others stay taken, so that nothing else may begin at the same time."""
    notes, gate, later = tmp_path / "notes", tmp_path / "gate", tmp_path / "later"
    backlog(stage, f"{notes}|{gate}", stop=1)
    backlog(stage, f"{notes}|{later}", start=1)
    stage.start(slots=slots, express_slots=express_slots)
    poll(lambda: len(begun(notes)) == slots)
    sent = express(stage, "ok.note", str(notes))
    wait_until_sought(stage, sent)
    gate.touch()
    stage.express.wait_deleted(sent)
    assert begun(notes)[slots] == EXPRESS
    later.touch()
    poll(lambda: len(begun(notes)) == BACKLOG + 1)


def test_express_messages_use_every_free_slot(stage: Stage, tmp_path: Path) -> None:
    notes, gate = tmp_path / "notes", tmp_path / "gate"
    sent = [express(stage, "ok.note", f"{notes}|{gate}", n) for n in range(3)]
    stage.start(slots=2, express_slots=1)
    poll(lambda: len(begun(notes)) == 3)
    gate.touch()
    stage.express.wait_deleted(*sent)


def test_an_ordinary_message_of_several_tasks_makes_way_after_the_task_that_runs(
    stage: Stage, tmp_path: Path
) -> None:
    notes, gate = tmp_path / "notes", tmp_path / "gate"
    run = stage.queue.send(message("ok.note", *[f"{notes}|{gate}"] * 5))
    stage.start(slots=1, express_slots=0)
    poll(lambda: begun(notes) == [0])
    sent = express(stage, "ok.note", str(notes))
    stage.api.wait_for(lambda: bool(stage.api.unstarted))
    (given,) = stage.api.unstarted
    assert (given.message_id, given.tasks(), given.interrupted) == (run, [1, 2, 3, 4], [])
    gate.touch()
    stage.express.wait_deleted(sent)
    assert begun(notes) == [0, EXPRESS]


def test_a_task_is_not_told_of_a_drain_where_its_message_makes_way(
    stage: Stage, tmp_path: Path
) -> None:
    """A considerate handler would end, and its task be interrupted for nothing."""
    stage.queue.send(message("ok.considerate", str(tmp_path / "a"), str(tmp_path / "b")))
    worker = stage.start(slots=1, express_slots=0)
    stage.wait_running()
    express(stage, "ok.echo", 1)
    stage.api.wait_for(lambda: bool(stage.api.unstarted))
    assert [item.interrupted for item in stage.api.unstarted] == [[]]
    stage.beat()
    assert [task.index for task in stage.api.heartbeats[-1].running] == [0]
    worker.stop()
    stage.join()


def test_each_message_is_deleted_and_put_back_in_its_own_queue(stage: Stage) -> None:
    done = stage.queue.send(message("ok.echo", 1)), express(stage, "ok.echo", 1)
    unknown = stage.queue.send(message("not.here", 1)), express(stage, "not.here", 1, 1)
    stage.start(slots=1, express_slots=1)
    stage.queue.wait_deleted(done[0])
    stage.express.wait_deleted(done[1])
    stage.wait_logged("put_back", 2)
    assert (stage.queue.deleted, stage.express.deleted) == ([done[0]], [done[1]])
    poll(lambda: bool(stage.queue.hidden_for and stage.express.hidden_for))
    assert (list(stage.queue.hidden_for), list(stage.express.hidden_for)) == (
        [unknown[0]],
        [unknown[1]],
    )


def test_leases_are_renewed_in_the_queue_of_each_message(stage: Stage, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    sent = stage.queue.send(message("ok.wait", str(gate))), express(stage, "ok.wait", str(gate))
    stage.start(slots=1, express_slots=1, lease_seconds=3)
    poll(lambda: bool(stage.queue.hidden_for and stage.express.hidden_for))
    gate.touch()
    stage.queue.wait_deleted(sent[0])
    stage.express.wait_deleted(sent[1])
    assert (set(stage.queue.hidden_for), set(stage.express.hidden_for)) == ({sent[0]}, {sent[1]})
    assert not stage.lines.of("lease_lost")


def test_an_express_queue_that_is_away_holds_no_ordinary_task_up(stage: Stage) -> None:
    stage.express.down = True
    sent = [stage.queue.send(message("ok.echo", 1, start=n, stop=n + 1)) for n in range(20)]
    stage.start(slots=1, express_slots=0)
    stage.queue.wait_deleted(*sent)
    (failed, *_) = stage.wait_logged("receive_failed")
    assert failed["lane"] == "express"
    assert any("express" in reason for reason in stage.parts[0].health.unready())


@pytest.mark.parametrize(("slots", "express_slots"), [(1, 0), (2, 1)])
def test_queues_are_asked_by_long_polls_alone_while_tasks_are_short(
    stage: Stage, slots: int, express_slots: int
) -> None:
    sent = [stage.queue.send(message("ok.echo", 1, start=n, stop=n + 1)) for n in range(BACKLOG)]
    stage.start(slots=slots, express_slots=express_slots)
    stage.queue.wait_deleted(*sent)
    assert stage.queue.looks == 1, "the first shows whether it can be asked"
    assert stage.express.looks <= 1 + BACKLOG // 10


def test_a_redelivered_single_waits_for_idleness_while_express_messages_go_on(
    stage: Stage, tmp_path: Path
) -> None:
    notes, gate = tmp_path / "notes", tmp_path / "gate"
    busy = stage.queue.send(message("ok.note", f"{notes}|{gate}"))
    stage.start(slots=2, express_slots=1)
    poll(lambda: begun(notes) == [0])
    suspect = express(stage, "ok.note", str(notes), 7, receive_count=1)
    poll(lambda: stage.express.messages[suspect].receive_count == 2)
    stage.express.wait_deleted(express(stage, "ok.note", str(notes)))
    assert begun(notes) == [0, EXPRESS]
    assert not stage.started(), "it is not claimed before it may run"
    gate.touch()
    stage.express.wait_deleted(suspect)
    stage.queue.wait_deleted(busy)
    assert begun(notes)[-1] == EXPRESS + 7


def test_no_express_message_begins_beside_a_redelivered_single(
    stage: Stage, tmp_path: Path
) -> None:
    notes, gate = tmp_path / "notes", tmp_path / "gate"
    suspect = stage.queue.send(message("ok.note", f"{notes}|{gate}"), receive_count=1)
    stage.start(slots=2, express_slots=1)
    poll(lambda: begun(notes) == [0])
    other = express(stage, "ok.note", str(notes))
    poll(lambda: stage.parts[0].dispatch.room(Lane.EXPRESS) == 0)
    assert begun(notes) == [0]
    gate.touch()
    stage.queue.wait_deleted(suspect)
    stage.express.wait_deleted(other)
    assert begun(notes) == [0, EXPRESS]


def test_a_drain_puts_back_an_express_single_that_waits_to_run_alone(
    stage: Stage, tmp_path: Path
) -> None:
    """No one runs it any more: the ordinary poller, which would, ends first."""
    stage.queue.down = True
    worker = stage.start(slots=1, express_slots=1)
    stage.wait_logged("receive_failed", 4)
    suspect = express(stage, "ok.echo", 1, receive_count=1)
    poll(lambda: stage.express.messages[suspect].receive_count == 2)
    worker.stop()
    stage.join()
    assert suspect in stage.express.hidden_for or suspect in stage.express.deleted
    assert not stage.parts[0].leases.all()


def test_until_empty_means_both_queues(stage: Stage, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    held = express(stage, "ok.wait", str(gate))
    stage.start(slots=1, express_slots=1, until_empty=True, until_empty_seconds=0)
    stage.wait_running()
    enough = stage.queue.receives + 5
    poll(lambda: stage.queue.receives >= enough)
    assert not stage.parts[0].quiet.dry
    gate.touch()
    stage.join()
    assert (stage.express.deleted, stage.codes) == ([held], [0])


def test_it_is_quiet_when_every_lane_has_been_for_long_enough() -> None:
    quiet = Quiet(list(Lane), 30)
    quiet.empty(Lane.ORDINARY, 0, 20)
    quiet.empty(Lane.ORDINARY, 20, 40)
    quiet.empty(Lane.EXPRESS, 20, 40)
    assert not quiet.dry
    quiet.empty(Lane.EXPRESS, 40, 60)
    assert quiet.dry
    quiet.disturbed(Lane.ORDINARY)
    assert not quiet.dry


def test_both_pollers_are_watched(stage: Stage) -> None:
    stage.start(slots=1, express_slots=1)
    stage.wait_logged("started")
    poll(lambda: not stage.parts[0].health.unready())
    health = stage.parts[0].health
    late = stage.parts[0].leases.clock() + 10_000
    health.pulses._clock = lambda: late
    stuck = {told.split(" is stuck")[0] for told in health.stuck()}
    assert {"poller", "express poller"} <= stuck
