"""How much is held: never more than the slots start soon."""

from __future__ import annotations

import pytest

from orchestrator.model.lanes import Lane
from tests.unit.worker.conftest import message
from worker.dispatch import WAIT_MAX_SECONDS, Dispatch
from worker.held import Held
from worker.ports import Received


class Clock:
    """A clock that the test moves."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def make_held(receive_count: int = 1) -> Held:
    received = Received(message_id="m", receipt="r", receive_count=receive_count, body="")
    return Held(received=received, message=message("h", 1), renewed_at=0.0, unsettled={0})


def run(dispatch: Dispatch, clock: Clock, seconds: float) -> None:
    dispatch.put(make_held())
    held = dispatch.take()
    assert held is not None
    clock.now += seconds
    dispatch.done(held)


def test_a_new_worker_takes_as_many_messages_as_it_has_slots(clock: Clock) -> None:
    dispatch = Dispatch(3, clock)
    assert dispatch.room() == 3
    dispatch.put(make_held())
    assert dispatch.room() == 2
    dispatch.take()
    assert dispatch.room() == 2


def test_very_short_messages_are_held_ahead_and_long_ones_are_not(clock: Clock) -> None:
    dispatch = Dispatch(2, clock)
    run(dispatch, clock, 0.01)
    assert dispatch.room() == 10
    for _ in range(10):
        run(dispatch, clock, 60)
    assert dispatch.room() == 2


def test_slots_that_met_long_tasks_hold_nothing_ahead(clock: Clock) -> None:
    dispatch = Dispatch(2, clock)
    for _ in range(20):
        run(dispatch, clock, 0.01)
    for _ in range(2):
        dispatch.put(make_held())
        dispatch.take()
    assert dispatch.room() == 10, "as far as is known, these are short too"
    clock.now += 1
    assert dispatch.room() == 0, "else short ones would wait behind them, again and again"


def test_one_slot_that_met_a_long_task_leaves_the_others_their_share(clock: Clock) -> None:
    dispatch = Dispatch(2, clock)
    for _ in range(20):
        run(dispatch, clock, 0.1)
    dispatch.put(make_held())
    dispatch.take()
    clock.now += 10
    assert dispatch.room() == 1 + 2


def test_what_waits_too_long_for_a_slot_is_taken_out(clock: Clock) -> None:
    dispatch = Dispatch(1, clock)
    late = make_held()
    dispatch.put(late)
    clock.now += WAIT_MAX_SECONDS + 0.1
    fresh = make_held()
    dispatch.put(fresh)
    assert dispatch.overdue() == [late]
    assert dispatch.take() is fresh


def test_a_closed_dispatch_returns_what_no_slot_has_and_takes_nothing(clock: Clock) -> None:
    dispatch = Dispatch(1, clock)
    waiting = make_held()
    dispatch.put(waiting)
    assert dispatch.close() == [waiting]
    assert dispatch.take() is None
    assert not dispatch.put(make_held())
    assert dispatch.wait_for_room(0) == 0


def express(clock: Clock) -> Held:
    held = make_held()
    held.lane = Lane.EXPRESS
    return held


def test_ordinary_messages_never_take_the_express_slots(clock: Clock) -> None:
    dispatch = Dispatch(2, clock, express_slots=1)
    assert (dispatch.room(), dispatch.room(Lane.EXPRESS)) == (2, 3)
    for _ in range(2):
        dispatch.put(make_held())
        dispatch.take()
    assert (dispatch.room(), dispatch.room(Lane.EXPRESS)) == (0, 1)


def test_express_messages_take_every_slot_and_leave_none(clock: Clock) -> None:
    dispatch = Dispatch(2, clock, express_slots=1)
    for _ in range(3):
        dispatch.put(express(clock))
        dispatch.take()
    assert (dispatch.room(), dispatch.room(Lane.EXPRESS), dispatch.busy) == (0, 0, 3)


def test_long_express_messages_do_not_change_how_many_ordinary_ones_are_held_ahead(
    clock: Clock,
) -> None:
    dispatch = Dispatch(2, clock, express_slots=1)
    run(dispatch, clock, 0.01)
    before = dispatch.room()
    held = express(clock)
    dispatch.put(held)
    dispatch.take()
    clock.now += 100.0
    dispatch.done(held)
    assert dispatch.room() == before > 2


def test_the_express_queue_that_had_no_slot_is_looked_at_before_the_next_ordinary_receive(
    clock: Clock,
) -> None:
    dispatch = Dispatch(1, clock)
    held = make_held()
    dispatch.put(held)
    dispatch.take()
    clock.now += 5.0
    assert dispatch.wait_for_room(0.0, Lane.EXPRESS) == 0
    dispatch.done(held)
    assert dispatch.room() == 0
    assert dispatch.wait_for_room(0.0, Lane.EXPRESS) == 1
    assert dispatch.must_look
    dispatch.looked()
    assert (dispatch.room(), dispatch.must_look) == (1, False)


def test_a_secluded_worker_runs_the_one_alone(clock: Clock) -> None:
    dispatch = Dispatch(2, clock, express_slots=1)
    assert dispatch.seclude()
    one, other = make_held(), express(clock)
    dispatch.put(other)
    dispatch.put(one, alone=True)
    assert dispatch.take() is one
    assert (dispatch.room(), dispatch.room(Lane.EXPRESS)) == (0, 0)
    assert dispatch._next() is None, "a free slot has nothing to run"
    dispatch.done(one)
    clock.now += WAIT_MAX_SECONDS + 0.1
    assert dispatch.overdue() == [other]
    dispatch.open()
    assert dispatch.room(Lane.EXPRESS) == 3


def test_a_worker_that_runs_something_is_not_secluded(clock: Clock) -> None:
    dispatch = Dispatch(2, clock, express_slots=1)
    dispatch.put(express(clock))
    assert not dispatch.seclude()
    dispatch.take()
    assert not dispatch.seclude()
    assert dispatch.room() == 2


def test_what_was_to_run_alone_is_returned_at_the_end_too(clock: Clock) -> None:
    dispatch = Dispatch(1, clock)
    dispatch.seclude()
    one = make_held()
    dispatch.put(one, alone=True)
    assert dispatch.close() == [one]
    assert dispatch.take() is None


def test_an_express_message_may_come_for_a_slot_that_is_free_soon(clock: Clock) -> None:
    dispatch = Dispatch(1, clock)
    run(dispatch, clock, 0.1)
    dispatch.put(make_held())
    dispatch.take()
    assert dispatch.room(Lane.EXPRESS) == 1
    dispatch.put(express(clock))
    assert dispatch.room(Lane.EXPRESS) == 0
    clock.now += 1.0
    assert dispatch.overdue() == []
    assert dispatch.room() == 0, "the slot is the express message's"


def test_no_express_message_is_received_for_slots_that_hold_long_tasks(clock: Clock) -> None:
    dispatch = Dispatch(1, clock)
    run(dispatch, clock, 5.0)
    dispatch.put(make_held())
    dispatch.take()
    assert dispatch.room(Lane.EXPRESS) == 0
