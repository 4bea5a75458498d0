"""The lease on the whole worker: renewed whatever the handler does; once lost, nothing is said."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from orchestrator.model.lanes import Lane
from orchestrator.model.states import JobState
from tests.unit.worker.conftest import HANDLERS, Lines, Stage, message, poll
from tests.unit.worker.fakes.api import FakeApi
from tests.unit.worker.fakes.queue import FakeQueue
from tests.unit.worker.test_outbound import make_give_back, make_report
from worker.deletions import Deletions
from worker.health import Pulses
from worker.held import Held
from worker.leases import Leases
from worker.log import Log
from worker.metrics import Meters
from worker.outbound import Outbound
from worker.ports import Received
from worker.reporter import Reporter
from worker.touched import TouchedNodes

LEASE = 60
BOTH = (HANDLERS, str(Path(__file__).with_name("sample_lease_handlers.py")))


def test_leases_are_renewed_whatever_the_handlers_do(stage: Stage) -> None:
    kinds = ["lease.sleep", "lease.gil", "lease.fork", "lease.stop"]
    sent = [
        stage.queue.send(message(kind, None, start=n, stop=n + 1)) for n, kind in enumerate(kinds)
    ]
    stage.start(slots=4, lease_seconds=3, sources=BOTH, drain_seconds=0)
    stage.wait_running(4)
    renewals = stage.queue.hidden_for
    poll(lambda: all(len(renewals.get(message_id, [])) >= 2 for message_id in sent))
    assert {seconds for each in renewals.values() for seconds in each} == {3}
    assert not stage.lines.of("lease_lost")


def test_a_handler_that_is_stopped_ends_by_its_time_out(stage: Stage) -> None:
    sent = stage.queue.send(message("lease.stop", None, timeout_seconds=0.3))
    stage.start(sources=BOTH)
    stage.queue.wait_deleted(sent)
    assert stage.reported() == {0: "timed_out"}


def test_what_is_received_again_after_its_lease_was_lost_does_not_run_twice_at_once(
    stage: Stage, tmp_path: Path
) -> None:
    sent = stage.queue.send(message("lease.one", str(tmp_path / "runs")))
    stage.queue.refuse.add(sent)
    stage.start(slots=2, lease_seconds=3, sources=BOTH)
    stage.wait_logged("lease_lost")
    stage.queue.refuse.clear()
    stage.queue.deliver_again(sent)
    stage.queue.wait_deleted(sent)
    (report,) = stage.api.reports
    assert report.result == []
    assert stage.started() == [(sent, 2)]


@dataclass
class Desk:
    """A reporter with a clock that the test moves: what is buffered is sent when `open` is called."""

    log: Log
    lines: Lines
    queue: FakeQueue = field(default_factory=FakeQueue)
    api: FakeApi = field(default_factory=FakeApi)
    now: float = 1000.0

    def __post_init__(self) -> None:
        clock, meters = lambda: self.now, Meters()
        self.leases = Leases({Lane.ORDINARY: self.queue}, self.log, LEASE, clock, meters)
        self.deletions = Deletions({Lane.ORDINARY: self.queue}, self.leases, self.log, meters)
        self.outbound = Outbound(clock, flush_seconds=0.01)
        self.reporter = Reporter(
            worker_id="w",
            api=self.api,
            leases=self.leases,
            deletions=self.deletions,
            touched=TouchedNodes(clock),
            outbound=self.outbound,
            log=self.log,
            clock=clock,
            meters=meters,
            pulses=Pulses(clock),
        )

    def hold(self) -> Held:
        sent = self.queue.send(message("h", 1, 2))
        (received,) = self.queue.receive(1)
        assert received.message_id == sent
        return self.held(received)

    def held(self, received: Received) -> Held:
        held = Held(
            received=received,
            message=message("h", 1, 2),
            renewed_at=self.now,
            unsettled={0, 1},
        )
        self.leases.hold(held)
        return held

    def open(self) -> None:
        """Send at once what there is, and go on."""
        self.outbound.hurry()
        self.reporter.start()


@pytest.fixture
def desk(log: Log, lines: Lines) -> Iterator[Desk]:
    made = Desk(log, lines)
    yield made
    made.reporter.close()


def freeze(desk: Desk, _: Held) -> None:
    desk.now += LEASE + 0.1


def refuse(desk: Desk, held: Held) -> None:
    desk.queue.refuse.add(held.received.message_id)
    desk.now += LEASE / 3
    desk.leases.renew()


def report_both(desk: Desk, held: Held) -> None:
    for index in (0, 1):
        desk.reporter.report(make_report(held, index))


def give_back_both(desk: Desk, held: Held) -> None:
    desk.reporter.give_back(make_give_back(held, 0, 1))


def report_and_give_back(desk: Desk, held: Held) -> None:
    desk.reporter.report(make_report(held, 0))
    desk.reporter.give_back(make_give_back(held, 1))


def drop_both(desk: Desk, held: Held) -> None:
    desk.reporter.drop(held, [0, 1])


SAID = [report_both, give_back_both, report_and_give_back, drop_both]


@pytest.mark.parametrize("lose", [freeze, refuse])
@pytest.mark.parametrize("say", SAID)
def test_what_was_buffered_when_the_lease_was_lost_is_never_said(
    desk: Desk, say: Callable[[Desk, Held], None], lose: Callable[[Desk, Held], None]
) -> None:
    held = desk.hold()
    say(desk, held)
    lose(desk, held)
    desk.open()
    poll(lambda: not desk.leases.all())
    assert held.orders.lost
    assert (desk.api.reports, desk.api.unstarted, desk.queue.deleted) == ([], [], [])


@pytest.mark.parametrize("say", SAID)
def test_what_was_buffered_under_a_live_lease_is_said_and_deleted(
    desk: Desk, say: Callable[[Desk, Held], None]
) -> None:
    say(desk, desk.hold())
    desk.now += LEASE - 1
    desk.open()
    desk.queue.wait_deleted("m1")
    assert not desk.leases.all()


@pytest.mark.parametrize("say", [report_both, give_back_both])
def test_reports_are_tried_again_until_the_lease_is_lost_and_no_longer(
    desk: Desk, say: Callable[[Desk, Held], None]
) -> None:
    desk.api.down = True
    held = desk.hold()
    say(desk, held)
    desk.open()
    poll(lambda: len(desk.lines.of("report_failed")) >= 2)
    freeze(desk, held)
    poll(lambda: not desk.leases.all())
    desk.api.down = False
    other = desk.hold()
    report_both(desk, other)
    desk.queue.wait_deleted(other.received.message_id)
    assert {report.index for report in desk.api.reports} == {0, 1}
    assert len(desk.api.reports) == 2, "of the other message only"


def test_one_lost_lease_keeps_no_report_of_another_message_back(desk: Desk) -> None:
    lost = desk.hold()
    report_both(desk, lost)
    freeze(desk, lost)
    kept = desk.hold()
    report_both(desk, kept)
    desk.open()
    desk.queue.wait_deleted(kept.received.message_id)
    assert len(desk.api.reports) == 2


def test_a_lease_lost_after_the_answer_deletes_nothing(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    held, complete = desk.hold(), desk.api.complete

    def answer_late(body: object) -> object:
        answer = complete(body)  # type: ignore[arg-type]
        freeze(desk, held)
        return answer

    monkeypatch.setattr(desk.api, "complete", answer_late)
    report_both(desk, held)
    desk.open()
    poll(lambda: not desk.leases.all())
    assert len(desk.api.reports) == 2, "they count: the control plane judged them"
    assert not desk.queue.deleted


def test_a_cancel_is_seen_by_the_handler_within_the_heartbeat(stage: Stage) -> None:
    sent = stage.queue.send(message("lease.cancelled", 1))
    stage.start(sources=BOTH)
    stage.wait_running()
    stage.api.add_job("01JDTESTTESTTESTTESTTESTTE", state=JobState.STOPPING)
    stage.beat()
    stage.queue.wait_deleted(sent)
    (report,) = stage.api.reports
    assert (report.outcome.value, report.result) == ("succeeded", "saw it")


@pytest.mark.parametrize("handler", ["bad.stubborn", "lease.gil", "lease.stop", "lease.fork"])
def test_a_handler_that_does_not_heed_the_cancel_is_killed_after_the_grace(
    stage: Stage, handler: str
) -> None:
    sent = stage.queue.send(message(handler, 1, 2, 3))
    stage.start(sources=BOTH, cancel_grace_seconds=0.1)
    stage.wait_running()
    stage.api.add_job("01JDTESTTESTTESTTESTTESTTE", state=JobState.STOPPING)
    stage.beat()
    stage.queue.wait_deleted(sent)
    assert stage.reported() == {0: "cancelled"}, "those not begun need no answer"
    stage.api.add_job("01JDTESTTESTTESTTESTTESTTF")
    other = message("ok.echo", 1, job="01JDTESTTESTTESTTESTTESTTF")
    stage.queue.wait_deleted(stage.queue.send(other))
    assert len(stage.api.reports) == 2, "the slot is whole again"


def test_a_heartbeat_that_failed_is_sent_again_soon(stage: Stage) -> None:
    stage.api.heartbeats_to_fail = 2
    stage.start()
    stage.api.wait_for(lambda: stage.api.heartbeats != [])
    assert len(stage.lines.of("heartbeat_failed")) == 2
