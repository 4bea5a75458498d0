"""The buffer of reports: a second, a full request, or quiet; and one give-back a message in a request."""

from __future__ import annotations

from orchestrator.model.states import Outcome
from orchestrator.model.wire import REPORTS_MAX
from tests.unit.worker.test_dispatch import Clock, make_held
from worker.ending import Ending
from worker.entries import GiveBack, RunReport
from worker.held import Held
from worker.outbound import BEHIND_ENTRIES, QUIET_SECONDS, Outbound


def make_report(held: Held, index: int = 0) -> RunReport:
    return RunReport(
        held=held,
        index=index,
        run_id="run-00000000",
        ending=Ending(outcome=Outcome.SUCCEEDED, result=b"1"),
        duration_ms=20,
        ended_at=3.0,
    )


def make_give_back(held: Held, *indexes: int) -> GiveBack:
    return GiveBack(held=held, indexes=list(indexes), interrupted=[], split=False)


def test_entries_wait_for_company_until_their_time_is_up() -> None:
    clock = Clock()
    outbound = Outbound(clock, flush_seconds=0.01)
    entry = make_report(make_held())
    outbound.add(entry)
    assert outbound.next_batch() == []
    clock.now += 0.02
    assert outbound.next_batch() == [entry]
    assert outbound.next_batch() == []


def test_where_nothing_else_runs_the_last_reports_wait_only_for_what_is_being_received() -> None:
    clock, idle = Clock(), [False]
    outbound = Outbound(clock, flush_seconds=3600, idle=lambda: idle[0])
    first, last = make_report(make_held()), make_report(make_held(), 1)
    outbound.add(first)
    clock.now += QUIET_SECONDS
    idle[0] = True
    outbound.add(last)
    assert outbound.next_batch() == []
    clock.now += QUIET_SECONDS
    idle[0] = False
    assert outbound.next_batch() == []
    idle[0] = True
    assert outbound.next_batch() == [first, last]


def test_what_ran_alone_has_no_company_to_wait_for() -> None:
    outbound = Outbound(Clock(), flush_seconds=60)
    usual, redelivered = make_report(make_held()), make_report(make_held(receive_count=2))
    outbound.add(usual)
    outbound.add(redelivered)
    assert outbound.next_batch() == [usual, redelivered]


def test_a_buffer_that_fills_says_so_until_it_is_given_out() -> None:
    outbound = Outbound(Clock(), flush_seconds=0.01)
    for index in range(BEHIND_ENTRIES):
        assert not outbound.behind
        outbound.add(make_report(make_held(), index))
    assert outbound.behind
    outbound.next_batch()
    assert not outbound.behind


def test_a_full_request_leaves_at_once_and_never_holds_more() -> None:
    outbound = Outbound(Clock(), flush_seconds=3600)
    held = make_held()
    entries = [make_report(held, index) for index in range(REPORTS_MAX + 1)]
    for entry in entries:
        outbound.add(entry)
    assert outbound.next_batch() == entries[:REPORTS_MAX]
    outbound.hurry()
    assert outbound.next_batch() == entries[REPORTS_MAX:]


def test_two_give_backs_of_one_message_go_in_two_requests() -> None:
    outbound = Outbound(Clock(), flush_seconds=3600)
    held = make_held()
    first, second = make_give_back(held, 1, 2), make_give_back(held, 0)
    outbound.add(first)
    outbound.add(second)
    outbound.hurry()
    assert outbound.next_batch() == [first]
    assert outbound.next_batch() == [second]


def test_an_entry_for_later_comes_later() -> None:
    clock = Clock()
    outbound = Outbound(clock, flush_seconds=0.01)
    entry = make_give_back(make_held(), 0)
    outbound.add_later(entry)
    assert outbound.next_batch() == []
    clock.now += 1
    assert outbound.next_batch() in ([entry], [])


def test_a_closed_buffer_gives_nothing_more() -> None:
    outbound = Outbound(Clock())
    outbound.add(make_report(make_held()))
    outbound.close()
    assert outbound.next_batch() is None


def test_times_of_a_report_count_back_from_its_sending() -> None:
    wire = make_report(make_held()).wire(now=5.0)
    assert (wire.started_ago_ms, wire.duration_ms, wire.result) == (2020, 20, 1)
