"""Calls that fail, wholly or in part: what waits, what is tried again, what is left alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.worker.conftest import Stage, message, poll
from worker import outbound


def test_a_refused_renewal_loses_the_lease(stage: Stage, tmp_path: Path) -> None:
    sent = stage.queue.send(message("ok.wait", str(tmp_path / "never")))
    stage.queue.refuse.add(sent)
    stage.start(lease_seconds=3)
    stage.wait_logged("lease_lost")
    poll(lambda: stage.lines.of("ran") != [])
    stage.stop()
    assert sent in stage.queue.messages
    assert not stage.api.reports
    assert not stage.api.unstarted


def test_a_renewal_that_failed_in_part_is_tried_again(stage: Stage, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    sent = stage.queue.send(message("ok.wait", str(gate)))
    stage.queue.fail_once.add(sent)
    stage.start(lease_seconds=3)
    poll(lambda: len(stage.queue.hidden_for.get(sent, [])) > 1)
    gate.touch()
    stage.queue.wait_deleted(sent)
    assert not stage.lines.of("lease_lost")


def test_reports_wait_for_an_api_that_is_down_and_say_so(stage: Stage, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    stage.start()
    sent = stage.queue.send(message("ok.wait", str(gate)))
    stage.wait_logged("received")
    stage.api.down = True
    gate.touch()
    stage.wait_logged("report_failed")
    assert sent in stage.queue.messages
    stage.api.down = False
    stage.queue.wait_deleted(sent)
    assert stage.reported() == {0: "succeeded"}


def test_an_api_that_is_down_stops_the_worker_from_running_ahead(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbound, "BEHIND_ENTRIES", 5)
    stage.start()
    stage.queue.wait_deleted(stage.queue.send(message("ok.echo", 1)))
    stage.api.down = True
    sent = [stage.queue.send(message("ok.echo", 1, start=n, stop=n + 1)) for n in range(1, 400)]
    stage.wait_logged("report_failed", 6)
    untouched = [number for number in sent if not stage.queue.messages[number].hidden]
    assert untouched
    stage.api.down = False
    stage.queue.wait_deleted(*sent)


def test_claims_wait_for_an_api_that_is_down_and_say_so(stage: Stage) -> None:
    stage.api.down = True
    sent = stage.queue.send(message("ok.echo", 1))
    stage.start()
    stage.wait_logged("claim_failed")
    stage.api.down = False
    stage.queue.wait_deleted(sent)


def test_a_queue_that_is_down_stops_nothing(stage: Stage) -> None:
    stage.queue.down = True
    stage.start()
    stage.wait_logged("receive_failed", 2)
    stage.queue.down = False
    stage.queue.wait_deleted(stage.queue.send(message("ok.echo", 1)))


def test_deletes_that_fail_in_part_are_tried_again_alone(stage: Stage) -> None:
    sent = [stage.queue.send(message("ok.echo", 1)) for _ in range(3)]
    stage.queue.fail_once.add(sent[1])
    stage.start()
    stage.queue.wait_deleted(*sent)
    assert sorted(stage.queue.deleted) == sorted(sent)
    assert stage.lines.of("delete_failed")


def test_a_result_found_invalid_is_reported_as_a_bad_one(stage: Stage) -> None:
    stage.api.invalid.add(0)
    stage.start()
    stage.queue.wait_deleted(stage.queue.send(message("ok.echo", 1, 2)))
    assert stage.reported() == {0: "bad_result", 1: "succeeded"}


def test_one_report_that_is_refused_does_not_hold_up_the_others(stage: Stage) -> None:
    stage.api.poisonous.add(1)
    sent = stage.queue.send(message("ok.echo", 0, 1, 2, 3))
    other = stage.queue.send(message("ok.echo", 4, start=4, stop=5))
    stage.start()
    stage.queue.wait_deleted(other)
    stage.wait_logged("abandoned")
    assert {0, 2, 3} <= stage.reported().keys()
    assert sent in stage.queue.messages


def test_a_give_back_that_failed_is_tried_again(stage: Stage) -> None:
    stage.api.give_backs_to_fail = 1
    sent = stage.queue.send(message("bad.sleep", 1))
    worker = stage.start(drain_seconds=0)
    stage.wait_running()
    worker.stop()
    stage.join()
    assert stage.lines.of("give_back_failed")
    assert stage.queue.deleted == [sent]
