"""The end of a worker: what runs may end, or is told to; what has not begun goes back."""

from __future__ import annotations

from pathlib import Path

from orchestrator.model.states import JobState, Outcome
from tests.unit.worker.conftest import JOB, Stage, message


def test_a_drain_lets_running_tasks_end_and_gives_the_rest_back(
    stage: Stage, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    sent = stage.queue.send(message("ok.wait", str(gate), "x", "y"))
    worker = stage.start(drain_seconds=20)
    stage.wait_running()
    worker.stop()
    stage.api.wait_for(lambda: stage.api.unstarted != [])
    assert sent in stage.queue.messages, "a message is kept while a task of it runs"
    gate.touch()
    stage.join()
    (given,) = stage.api.unstarted
    assert (given.tasks(), given.interrupted, given.split) == ([1, 2], [], False)
    assert stage.reported() == {0: "succeeded"}
    assert stage.queue.deleted == [sent]
    assert stage.api.heartbeats[-1].draining


def test_a_task_that_outlasts_the_drain_is_interrupted_and_given_back(stage: Stage) -> None:
    sent = stage.queue.send(message("bad.sleep", 1, interruptions=3))
    stage.start(drain_seconds=0.1)
    stage.wait_running()
    stage.stop()
    (given,) = stage.api.unstarted
    assert (given.tasks(), given.interrupted, given.interruptions) == ([0], [0], 3)
    assert not stage.api.reports
    assert stage.queue.deleted == [sent]


def test_a_second_signal_does_not_wait_for_the_drain(stage: Stage) -> None:
    sent = stage.queue.send(message("bad.sleep", 1))
    worker = stage.start(drain_seconds=3600)
    stage.wait_running()
    worker.stop()
    stage.wait_logged("draining")
    worker.stop()
    stage.join()
    assert stage.queue.deleted == [sent]


def test_a_handler_that_sees_the_drain_hands_its_task_back_without_waiting_for_the_end(
    stage: Stage,
) -> None:
    sent = stage.queue.send(message("ok.considerate", 1, 2, interruptions=1))
    stage.start(drain_seconds=3600)
    stage.wait_running()
    stage.stop()
    given = sorted((item.tasks(), item.interrupted) for item in stage.api.unstarted)
    assert given == [([0], [0]), ([1], [])]
    assert not stage.api.reports
    assert stage.queue.deleted == [sent]
    assert stage.lines.of("ran")[0]["given_back"] == 2


def test_a_handler_that_says_it_drains_while_nothing_does_fails(stage: Stage) -> None:
    stage.start()
    stage.queue.wait_deleted(stage.queue.send(message("bad.pretends_to_drain", 1)))
    (report,) = stage.api.reports
    assert report.error is not None
    assert (report.outcome, report.error.type) == (Outcome.FAILED, "Draining")


def test_a_job_that_is_stopped_during_a_drain_still_ends_its_tasks(stage: Stage) -> None:
    """A task whose job was stopped is not sent on, though its worker drains."""
    stage.queue.send(message("ok.patient", 1))
    stage.start(drain_seconds=3600)
    stage.wait_running()
    worker, _ = stage.workers[0]
    worker.stop()
    stage.wait_logged("draining")
    stage.api.add_job(JOB, state=JobState.STOPPING)
    stage.beat()
    stage.join()
    assert stage.reported() == {0: "cancelled"}
    assert not stage.api.unstarted
