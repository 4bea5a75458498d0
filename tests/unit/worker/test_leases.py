"""Leases: constant length, renewed in time, lost for good when they are."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest

from orchestrator.model.lanes import Lane
from tests.unit.worker.conftest import Lines, message
from tests.unit.worker.fakes.queue import FakeQueue
from worker.deletions import Deletions
from worker.held import Held
from worker.leases import Leases
from worker.log import Log
from worker.metrics import Meters
from worker.pool.orders import Orders
from worker.ports import Received, Refusal

LEASE = 60


@dataclass
class Setting:
    """Leases on a queue, with a clock that the test moves."""

    queue: FakeQueue
    lines: Lines
    log: Log
    now: float = 1000.0

    def __post_init__(self) -> None:
        self.leases = Leases(
            {Lane.ORDINARY: self.queue}, self.log, LEASE, lambda: self.now, Meters()
        )

    def hold(self, message_id: str = "m1", *, count: int = 1) -> Held:
        received = Received(
            message_id=message_id, receipt=f"{message_id}/{count}", receive_count=count, body=""
        )
        held = Held(
            received=received,
            message=message("ok.echo", 1),
            renewed_at=self.now,
            unsettled={0},
        )
        self.leases.hold(held)
        return held

    def pass_seconds(self, seconds: int) -> None:
        """Let time pass as the keeper does, second by second."""
        for _ in range(seconds):
            self.now += 1
            self.leases.renew()


@pytest.fixture
def setting(lines: Lines, log: Log) -> Setting:
    return Setting(FakeQueue(), lines, log)


def test_a_lease_is_renewed_each_third_for_its_constant_length(setting: Setting) -> None:
    setting.hold()
    setting.pass_seconds(60)
    assert setting.queue.hidden_for == {"m1": [LEASE] * 3}


def test_a_lease_never_grows_with_the_age_of_its_task(setting: Setting) -> None:
    held = setting.hold()
    setting.pass_seconds(11 * 3600)
    assert setting.leases.ours(held)
    assert set(setting.queue.hidden_for["m1"]) == {LEASE}


def test_leases_of_like_age_are_renewed_together(setting: Setting) -> None:
    for number in range(12):
        setting.hold(f"m{number}")
        setting.now += 0.5
    setting.now += 14
    setting.leases.renew()
    assert len(setting.queue.hidden_for) == 12


def test_a_process_that_was_frozen_longer_than_its_lease_has_lost_it(setting: Setting) -> None:
    held = setting.hold()
    setting.now += LEASE + 0.1
    assert not setting.leases.ours(held)
    assert held.orders.lost
    setting.leases.renew()
    assert not setting.queue.hidden_for, "a lost lease is not renewed"


def test_a_lease_that_cannot_be_renewed_lives_until_its_end(setting: Setting) -> None:
    held = setting.hold()
    setting.queue.down = True
    setting.now += LEASE - 1
    setting.leases.renew()
    assert setting.leases.ours(held)
    assert setting.lines.of("lease_not_renewed")
    setting.now += 2
    assert not setting.leases.ours(held)


def test_a_refused_renewal_loses_one_lease_and_keeps_the_others(setting: Setting) -> None:
    refused, kept = setting.hold("m1"), setting.hold("m2")
    setting.queue.refuse.add("m1")
    setting.now += LEASE / 3
    setting.leases.renew()
    assert refused.orders.lost
    assert setting.leases.ours(kept)


def test_failed_renewals_are_tried_again_with_jitter_until_the_lease_ends(setting: Setting) -> None:
    held = setting.hold()
    setting.queue.down = True
    setting.pass_seconds(LEASE)
    after_first = LEASE * 7 // 10
    assert after_first // 7 <= setting.queue.renewal_calls < after_first, (
        "neither rare nor each tick"
    )
    calls = setting.queue.renewal_calls
    setting.pass_seconds(5)
    assert held.orders.lost
    assert setting.queue.renewal_calls == calls, "a lost lease is not renewed"


def test_an_entry_that_failed_in_a_good_answer_is_tried_again_alone(setting: Setting) -> None:
    failed, renewed = setting.hold("m1"), setting.hold("m2")
    setting.queue.fail_once.add("m1")
    setting.pass_seconds(LEASE * 4 // 10 + 1)
    assert setting.queue.hidden_for == {"m1": [LEASE], "m2": [LEASE]}
    assert setting.queue.renewal_calls == 2
    assert setting.leases.ours(failed)
    assert setting.leases.ours(renewed)


def test_entries_that_go_on_to_fail_are_not_tried_at_each_tick(setting: Setting) -> None:
    setting.hold()
    setting.queue.fail_always.add("m1")
    setting.pass_seconds(LEASE)
    after_first = LEASE * 7 // 10
    assert after_first // 7 <= setting.queue.renewal_calls < after_first


def receive_again(setting: Setting, message_id: str = "m1") -> bool:
    received = Received(message_id=message_id, receipt=f"{message_id}/2", receive_count=2, body="")
    return setting.leases.take_over(received, setting.now)


def test_a_message_received_again_goes_on_under_its_newest_receipt(setting: Setting) -> None:
    sent = setting.queue.send("")
    setting.queue.receive(1)
    held = setting.hold(sent)
    setting.queue.deliver_again(sent)
    setting.queue.receive(1)
    setting.now += LEASE / 2
    assert receive_again(setting, sent)
    setting.pass_seconds(LEASE // 2)
    assert setting.leases.ours(held), "only the newest receipt can be renewed"
    deletions = Deletions({Lane.ORDINARY: setting.queue}, setting.leases, setting.log, Meters())
    deletions.add(held)
    deletions.delete_settled()
    assert setting.queue.deleted == [sent]
    assert held.received.receive_count == 1, "its start is still that of the first receive"


def test_the_end_of_an_older_receipt_loses_nothing(
    setting: Setting, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = setting.hold()

    def refuse(receipts: list[str], _: int) -> list[Refusal]:
        receive_again(setting)
        return [Refusal(receipt, True, "MessageNotInflight") for receipt in receipts]

    monkeypatch.setattr(setting.queue, "change_visibility", refuse)
    setting.now += LEASE / 3
    setting.leases.renew()
    assert setting.leases.ours(held)


def test_a_delete_by_an_older_receipt_is_repeated_by_the_newest(
    setting: Setting, monkeypatch: pytest.MonkeyPatch
) -> None:
    held, used = setting.hold(), list[str]()

    def delete(receipts: list[str]) -> list[Refusal]:
        used.extend(receipts)
        if len(used) == 1:
            receive_again(setting)
        return []

    monkeypatch.setattr(setting.queue, "delete", delete)
    deletions = Deletions({Lane.ORDINARY: setting.queue}, setting.leases, setting.log, Meters())
    deletions.add(held)
    deletions.delete_settled()
    setting.now += 30
    deletions.delete_settled()
    assert used == ["m1/1", "m1/2"]
    assert not setting.leases.all()


def test_a_lost_lease_is_not_taken_over(setting: Setting) -> None:
    held = setting.hold()
    setting.now += LEASE + 1
    assert not receive_again(setting)
    assert held.orders.lost


def test_a_delete_that_is_refused_for_good_is_the_end_of_it(setting: Setting) -> None:
    sent = setting.queue.send("")
    setting.queue.receive(1)
    setting.queue.deliver_again(sent)
    setting.queue.receive(1)
    deletions = Deletions({Lane.ORDINARY: setting.queue}, setting.leases, setting.log, Meters())
    deletions.add(setting.hold(sent))
    deletions.delete_settled()
    assert not setting.leases.all()
    assert setting.lines.of("not_deleted")
    assert sent in setting.queue.messages


def test_a_message_that_cannot_be_put_back_is_let_go(setting: Setting) -> None:
    in_part, in_whole = setting.hold("m1"), setting.hold("m2")
    setting.queue.fail_once.add("m1")
    setting.leases.put_back(in_part, 5, "test")
    setting.queue.down = True
    setting.leases.put_back(in_whole, 5, "test")
    assert not setting.leases.all()
    assert len(setting.lines.of("not_put_back")) == 2


def test_a_lost_message_is_neither_put_back_nor_deleted(setting: Setting) -> None:
    put_back, settled = setting.hold("m1"), setting.hold("m2")
    deletions = Deletions({Lane.ORDINARY: setting.queue}, setting.leases, setting.log, Meters())
    deletions.add(settled)
    setting.now += LEASE + 1
    setting.leases.put_back(put_back, 5, "test")
    deletions.delete_settled()
    assert not setting.queue.hidden_for
    assert not setting.queue.deleted
    assert not setting.leases.all()


class Interrupted(Orders):
    """Orders at whose loss another thread is let go first, which runs on as far as it can."""

    __slots__ = ("meanwhile",)
    meanwhile: threading.Thread

    def lose(self) -> None:
        self.meanwhile.start()
        self.meanwhile.join(0.1)
        super().lose()


def refuse(setting: Setting) -> None:
    setting.queue.refuse.add("m1")
    setting.pass_seconds(LEASE // 3)


def freeze(setting: Setting) -> None:
    setting.now += LEASE + 1
    setting.leases.renew()


@pytest.mark.parametrize("lose", [refuse, freeze])
def test_a_receive_is_never_taken_for_a_lease_that_is_being_lost(
    setting: Setting, lose: Callable[[Setting], None]
) -> None:
    """Else its new receipt is a message's that nobody runs any more: it is hidden until that lease is over."""
    held, again, taken = setting.hold(), Interrupted(), list[bool]()
    held.orders = again
    newer = replace(held.received, receipt="m1/2", receive_count=2)
    again.meanwhile = threading.Thread(
        target=lambda: taken.append(setting.leases.take_over(newer, setting.now))
    )
    lose(setting)
    again.meanwhile.join()
    assert (taken, held.receipt, held.orders.lost) == ([False], "m1/1", True)


def test_a_lease_is_lost_before_anyone_is_told(setting: Setting) -> None:
    held, told = setting.hold(), list[bool]()
    leases = Leases(
        {Lane.ORDINARY: setting.queue},
        Log(write=lambda _: told.append(held.orders.lost)),
        LEASE,
        lambda: setting.now,
        Meters(),
    )
    leases.hold(held)
    setting.now += LEASE + 1
    assert not leases.ours(held)
    assert told == [True]
