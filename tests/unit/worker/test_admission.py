"""Which received messages are run: by job, by claim, alone, by handler."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.model.states import JobState
from orchestrator.model.wire import Run
from tests.unit.worker.conftest import JOB, Stage, message, poll
from worker import alone


def test_the_first_message_of_a_job_asks_for_the_job_and_the_next_does_not(stage: Stage) -> None:
    stage.start()
    for _ in range(2):
        stage.queue.wait_deleted(stage.queue.send(message("ok.echo", 1)))
    (claim,) = stage.api.claims
    assert (claim.jobs, claim.messages) == ([JOB], [])


@pytest.mark.parametrize(
    ("gen", "state", "runs"),
    [
        (1, JobState.STOPPING, False),
        (1, JobState.CANCELLED, False),
        (2, JobState.PROCESSING, False),
        (1, JobState.ENQUEUING, True),
    ],
)
def test_a_message_is_dropped_only_when_its_job_moved_on_or_stopped(
    stage: Stage, gen: int, state: JobState, *, runs: bool
) -> None:
    stage.api.add_job(JOB, gen=gen, state=state)
    stage.start()
    stage.queue.wait_deleted(stage.queue.send(message("ok.echo", 1)))
    assert bool(stage.api.reports) is runs


def test_a_final_job_known_of_an_older_generation_does_not_drop_a_newer_message(
    stage: Stage,
) -> None:
    stage.api.add_job(JOB, gen=1, state=JobState.FAILED)
    stage.start()
    stage.queue.wait_deleted(stage.queue.send(message("ok.echo", 1)))
    stage.api.add_job(JOB, gen=2)
    stage.queue.wait_deleted(stage.queue.send(message("ok.echo", 1, gen=2, attempt=2)))
    assert [(report.gen, report.attempt) for report in stage.api.reports] == [(2, 2)]


def test_a_redelivered_message_is_claimed_and_what_is_settled_does_not_run(stage: Stage) -> None:
    dropped = stage.queue.send(message("ok.echo", 1, 2), receive_count=1)
    stage.api.verdicts[dropped] = "drop"
    stage.start()
    stage.queue.wait_deleted(dropped)
    assert not stage.api.reports
    (claim,) = stage.api.claims
    assert [(each.message_id, each.receive_count) for each in claim.messages] == [(dropped, 2)]

    narrowed = stage.queue.send(message("ok.echo", 1, 2), receive_count=1)
    stage.api.verdicts[narrowed] = Run(run=[1])
    stage.queue.wait_deleted(narrowed)
    assert stage.reported() == {1: "succeeded"}


def test_messages_of_a_capped_job_are_claimed_at_their_first_delivery(stage: Stage) -> None:
    stage.start()
    stage.queue.wait_deleted(stage.queue.send(message("ok.echo", 1, hold=True)))
    copy = stage.queue.send(message("ok.echo", 1, hold=True))
    stage.api.verdicts[copy] = "drop"
    stage.queue.wait_deleted(copy)
    assert [report.index for report in stage.api.reports] == [0]
    asked = [each for claim in stage.api.claims for each in claim.messages]
    assert [(each.receive_count, each.begins, each.hold) for each in asked] == [
        (1, False, True),
        (1, False, True),
    ]


def test_a_redelivered_single_waits_unclaimed_until_its_worker_is_idle(
    stage: Stage, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    busy = stage.queue.send(message("ok.wait", str(gate)))
    stage.start(slots=2)
    stage.wait_logged("received")
    single = stage.queue.send(message("ok.echo", 1, start=5, stop=6), receive_count=1)
    poll(lambda: stage.queue.messages[single].hidden)
    later = stage.queue.send(message("ok.echo", 1, start=7, stop=8))
    assert not stage.started()
    gate.touch()
    stage.queue.wait_deleted(busy, single, later)
    assert [report.index for report in stage.api.reports] == [0, 5, 7]
    assert stage.started() == [(single, 2)]


def test_a_redelivered_single_that_is_settled_does_not_wait_for_an_idle_worker(
    stage: Stage, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    busy = stage.queue.send(message("ok.wait", str(gate)))
    stage.start(slots=2)
    stage.wait_logged("received")
    stage.api.down = True  # No claim is answered before all verdicts are known.
    singles = [
        stage.queue.send(message("ok.echo", 1, start=n, stop=n + 1), receive_count=1)
        for n in range(5, 20)
    ]
    stage.api.verdicts.update(dict.fromkeys(singles, "drop"))
    stage.api.down = False
    stage.queue.wait_deleted(*singles)
    assert not stage.started()
    assert not stage.api.reports
    gate.touch()
    stage.queue.wait_deleted(busy)


def test_a_redelivered_single_is_put_back_uncounted_by_a_worker_that_stays_busy(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alone, "ALONE_SECONDS", 0.0)
    stage.queue.send(message("bad.sleep", 1))
    stage.start(slots=2, drain_seconds=0)
    stage.wait_logged("received")
    single = stage.queue.send(message("ok.echo", 1, start=5, stop=6), receive_count=1)
    stage.wait_logged("put_back")
    assert single in stage.queue.messages
    assert not stage.started()


def test_a_redelivered_single_runs_alone(stage: Stage, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    single = stage.queue.send(message("ok.wait", str(gate)), receive_count=1)
    stage.start(slots=2)
    stage.wait_logged("received")
    other = stage.queue.send(message("ok.echo", 1, start=5, stop=6))
    assert not stage.queue.messages[other].hidden
    gate.touch()
    stage.queue.wait_deleted(single, other)
    assert [report.index for report in stage.api.reports] == [0, 5]


def test_an_unknown_handler_is_put_back_and_named(stage: Stage) -> None:
    sent = stage.queue.send(message("not.here", 1), receive_count=2)
    worker = stage.start()
    stage.wait_logged("put_back")
    assert stage.queue.hidden_for[sent][0] >= 60
    worker.stop()
    stage.join()
    assert sent in stage.queue.messages
    assert stage.api.heartbeats[-1].unknown_handlers == ["not.here"]
    assert not stage.api.claims


@pytest.mark.parametrize("body", ["", "no json", "{}", '{"v": 2}', "[]", "null"])
def test_a_malformed_message_is_left_and_logged_once(stage: Stage, body: str) -> None:
    sent = stage.queue.send(body)
    stage.start()
    stage.wait_logged("malformed")
    stage.queue.deliver_again(sent)
    stage.queue.wait_deleted(stage.queue.send(message("ok.echo", 1)))
    poll(lambda: stage.queue.messages[sent].receive_count == 2)
    assert len(stage.lines.of("malformed")) == 1
    assert sent in stage.queue.messages
