"""Leases: constant length, renewed in time, lost for good when they are."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from tests.unit.worker.conftest import Lines, message
from tests.unit.worker.fakes.queue import FakeQueue
from worker.deletions import Deletions
from worker.held import Held
from worker.leases import Leases
from worker.log import Log
from worker.ports import Received

LEASE = 60


@dataclass
class Setting:
    """Leases on a queue, with a clock that the test moves."""

    queue: FakeQueue
    lines: Lines
    log: Log
    now: float = 1000.0

    def __post_init__(self) -> None:
        self.leases = Leases(self.queue, self.log, LEASE, lambda: self.now)

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


@pytest.fixture
def setting(lines: Lines, log: Log) -> Setting:
    return Setting(FakeQueue(), lines, log)


def test_a_lease_is_renewed_each_third_for_its_constant_length(setting: Setting) -> None:
    setting.hold()
    for _ in range(60):
        setting.now += 1
        setting.leases.renew()
    assert setting.queue.hidden_for == {"m1": [LEASE] * 3}


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


def test_a_message_received_again_ends_its_older_lease(setting: Setting) -> None:
    older, newer = setting.hold(count=1), setting.hold(count=2)
    assert not setting.leases.ours(older)
    assert setting.leases.ours(newer)


def test_a_lost_message_is_neither_put_back_nor_deleted(setting: Setting) -> None:
    put_back, settled = setting.hold("m1"), setting.hold("m2")
    deletions = Deletions(setting.queue, setting.leases, setting.log)
    deletions.add(settled)
    setting.now += LEASE + 1
    setting.leases.put_back(put_back, 5, "test")
    deletions.delete_settled()
    assert not setting.queue.hidden_for
    assert not setting.queue.deleted
    assert not setting.leases.all()
