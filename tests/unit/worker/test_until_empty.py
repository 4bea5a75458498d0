"""`--until-empty`: it works until nothing was received or held for a while, then ends."""

from __future__ import annotations

import signal
from pathlib import Path

from tests.unit.worker.conftest import Stage, message, poll
from worker.parts import Parts


def start(stage: Stage, seconds: int = 0, **settings: object) -> Parts:
    stage.start(until_empty=True, until_empty_seconds=seconds, **settings)
    return stage.parts[0]


def let_it_ask(stage: Stage) -> None:
    """Wait until the queue was asked some more times."""
    enough = stage.queue.receives + 5
    poll(lambda: stage.queue.receives >= enough)


def test_it_takes_all_there_is_and_ends_with_zero(stage: Stage) -> None:
    sent = [stage.queue.send(message("ok.echo", 1, start=n, stop=n + 1)) for n in range(20)]
    start(stage, slots=2)
    stage.join()
    assert sorted(stage.queue.deleted) == sorted(sent)
    assert stage.codes == [0]
    assert stage.lines.of("queue_empty")
    assert stage.api.heartbeats[-1].draining


def test_it_does_not_end_while_a_task_runs_or_waits_to_be_told(
    stage: Stage, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    sent = stage.queue.send(message("ok.wait", str(gate)))
    parts = start(stage, slots=2)
    stage.wait_running()
    let_it_ask(stage)
    assert not parts.quiet.dry
    stage.api.down = True
    gate.touch()
    stage.wait_logged("report_failed")
    let_it_ask(stage)
    assert not parts.quiet.dry
    stage.api.down = False
    stage.join()
    assert stage.queue.deleted == [sent]


def test_a_queue_that_cannot_be_asked_is_not_empty(stage: Stage) -> None:
    stage.queue.down = True
    parts = start(stage)
    stage.wait_logged("receive_failed", 3)
    assert not parts.quiet.dry
    sent = stage.queue.send(message("ok.echo", 1))
    stage.queue.down = False
    stage.join()
    assert stage.queue.deleted == [sent]


def test_the_quiet_is_counted_from_the_last_message(stage: Stage) -> None:
    """An hour by the worker's clock, of which the test lets none pass."""
    parts = start(stage, seconds=3600)
    for _ in range(3):
        let_it_ask(stage)
        stage.queue.wait_deleted(stage.queue.send(message("ok.echo", 1)))
    assert not parts.quiet.dry
    now = parts.leases.clock()
    let_it_ask(stage)
    parts.leases.clock = lambda: now + 3700
    stage.join()
    assert stage.codes == [0]


def test_a_signal_before_the_queue_is_empty_is_told_by_the_exit_code(stage: Stage) -> None:
    start(stage, seconds=3600)
    stage.wait_logged("started")
    worker, _ = stage.workers[0]
    worker.stop(signal.SIGTERM)
    stage.join()
    assert stage.codes == [128 + signal.SIGTERM]


def test_without_it_an_empty_queue_is_waited_for_and_a_drain_ends_with_zero(stage: Stage) -> None:
    stage.start()
    poll(lambda: stage.queue.receives > 5)
    stage.queue.wait_deleted(stage.queue.send(message("ok.echo", 1)))
    stage.stop()
    assert stage.codes == [0]
