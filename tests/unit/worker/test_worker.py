"""The whole loop on fakes: what is received, run, reported, deleted, and what is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.model.states import JobState, Outcome
from orchestrator.model.wire import InputsRef
from tests.unit.worker.conftest import JOB, Stage, message
from worker.api import Json


def test_a_message_is_run_reported_and_then_deleted(stage: Stage) -> None:
    sent = stage.queue.send(message("ok.echo", "a", {"b": 1}))
    stage.start()
    stage.queue.wait_deleted(sent)
    assert [report.result for report in stage.api.reports] == ["a", {"b": 1}]
    assert stage.reported() == {0: "succeeded", 1: "succeeded"}
    assert len({report.run_id for report in stage.api.reports}) == 2
    assert not stage.queue.messages


def test_a_worker_never_asks_for_more_than_its_slots_take(stage: Stage, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    sent = [stage.queue.send(message("ok.wait", str(gate))) for _ in range(5)]
    stage.start(slots=2)
    stage.wait_logged("received", 2)
    assert sum(stored.hidden for stored in stage.queue.messages.values()) == 2
    assert stage.queue.largest_receive == 2
    gate.touch()
    stage.queue.wait_deleted(*sent)


def test_a_large_result_is_put_to_the_bucket_first(stage: Stage) -> None:
    stage.buckets.failures = 2
    stage.start()
    stage.queue.wait_deleted(stage.queue.send(message("ok.large", None)))
    (report,) = stage.api.reports
    assert report.result is None
    assert report.result_ref == f"tasks/{JOB}/1/0/{report.run_id}.json"
    assert stage.buckets.results[report.result_ref] == b'"' + b"x" * 2000 + b'"'


def test_inputs_are_read_from_the_part_that_the_message_names(stage: Stage) -> None:
    lines = [b'"line %d"\n' % number for number in range(5)]
    offsets = [sum(map(len, lines[:number])) for number in range(6)]
    stage.buckets.data["part"] = b"".join(lines)
    stage.buckets.data["part.idx"] = b"".join(n.to_bytes(8, "little") for n in offsets)
    ref = InputsRef(key="part", start=100)
    stage.start()
    sent = message(
        "ok.echo", start=None, stop=None, indexes=[101, 104], inputs=None, inputs_ref=ref
    )
    stage.queue.wait_deleted(stage.queue.send(sent))
    assert {report.index: report.result for report in stage.api.reports} == {
        101: "line 1",
        104: "line 4",
    }


def test_inputs_that_are_gone_fail_the_tasks(stage: Stage) -> None:
    stage.start()
    ref = InputsRef(key="gone", start=0)
    sent = message("ok.echo", stop=2, inputs=None, inputs_ref=ref)
    stage.queue.wait_deleted(stage.queue.send(sent))
    errors = [report.error for report in stage.api.reports]
    assert [error and (error.type, error.retryable) for error in errors] == [
        ("InputMissing", False)
    ] * 2


@pytest.mark.parametrize(
    ("index", "part"),
    [(b"", b"1\n"), (b"\0" * 15, b"1\n"), (b"\0" * 8 + b"\2" + b"\0" * 7, b"no")],
    ids=["no index", "an index cut off", "no JSON"],
)
def test_inputs_that_are_damaged_fail_the_task(stage: Stage, index: bytes, part: bytes) -> None:
    stage.buckets.data |= {"part": part, "part.idx": index}
    stage.start()
    sent = message("ok.echo", stop=1, inputs=None, inputs_ref=InputsRef(key="part", start=0))
    stage.queue.wait_deleted(stage.queue.send(sent))
    (report,) = stage.api.reports
    assert report.error is not None
    assert report.error.type == "InputMissing"


def test_a_failure_is_reported_with_its_cause_and_the_input_is_not_logged(stage: Stage) -> None:
    stage.start()
    stage.queue.wait_deleted(stage.queue.send(message("bad.raise", "ValueError")))
    (report,) = stage.api.reports
    assert report.error is not None
    assert (report.error.type, report.error.message) == ("ValueError", "no")
    (failed,) = stage.lines.of("failed")
    assert failed["task_id"] == f"{JOB}-0"
    assert {"job_id", "attempt", "tenant", "request_id"} <= failed.keys()
    assert not any("no" in str(value) for value in failed.values() if value != failed["message_id"])


def test_the_same_message_twice_gives_one_committed_result(stage: Stage) -> None:
    sent = [stage.queue.send(message("ok.echo", 1)) for _ in range(2)]
    stage.start(slots=2)
    stage.queue.wait_deleted(*sent)
    assert len(stage.api.committed) == 1
    assert len(stage.api.reports) == 2


def test_a_cancel_reaches_the_handler_through_the_heartbeat(stage: Stage) -> None:
    sent = stage.queue.send(message("ok.patient", 1))
    stage.start()
    stage.wait_running()
    stage.api.add_job(JOB, state=JobState.STOPPING)
    stage.beat()
    stage.queue.wait_deleted(sent)
    assert stage.reported() == {0: "cancelled"}


def test_heartbeats_tell_what_runs_and_which_nodes_were_touched(stage: Stage) -> None:
    stage.start(slots=3)
    stage.queue.wait_deleted(stage.queue.send(message("ok.echo", 1, start=16_000, stop=16_001)))
    sent = stage.queue.send(message("ok.patient", 1, start=7, stop=8))
    stage.wait_running()
    stage.beat()
    beat = stage.api.heartbeats[-1]
    assert (beat.slots, beat.draining, beat.touched) == (3, False, {JOB: [1]})
    (running,) = beat.running
    assert (running.job, running.index, running.attempt) == (JOB, 7, 1)
    assert "ok.echo" in beat.handlers
    stage.api.add_job(JOB, state=JobState.CANCELLED)
    stage.beat()
    stage.queue.wait_deleted(sent)


def test_a_slow_message_gives_back_what_it_has_not_begun_one_by_one(
    stage: Stage, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    sent = stage.queue.send(message("ok.wait", str(gate), 1, 2))
    stage.start(slow_seconds=1.0)
    stage.wait_running()
    stage.api.wait_for(lambda: stage.api.unstarted != [])
    (given,) = stage.api.unstarted
    assert (given.tasks(), given.split) == ([1, 2], True)
    assert sent in stage.queue.messages, "a message is kept while a task of it runs"
    gate.touch()
    stage.queue.wait_deleted(sent)
    assert stage.reported() == {0: "succeeded"}


def test_tasks_behind_one_that_lasts_are_given_back_and_those_before_it_are_reported(
    stage: Stage, tmp_path: Path
) -> None:
    open_gate, gate = tmp_path / "open", tmp_path / "gate"
    open_gate.touch()
    inputs: list[Json] = [str(open_gate), str(open_gate), str(gate), 1, 2]
    sent = stage.queue.send(message("ok.wait", *inputs))
    stage.start(stalled_seconds=0.5, slow_seconds=3600.0)
    stage.api.wait_for(lambda: stage.api.unstarted != [] and len(stage.api.reports) == 2)
    (given,) = stage.api.unstarted
    assert (given.tasks(), given.interrupted, given.split) == ([3, 4], [], True)
    assert stage.reported() == {0: "succeeded", 1: "succeeded"}
    gate.touch()
    stage.queue.wait_deleted(sent)
    assert stage.reported()[2] == "succeeded"


def test_a_crash_is_reported_and_the_worker_lives(stage: Stage) -> None:
    stage.start()
    stage.queue.wait_deleted(stage.queue.send(message("bad.exit_second", 1, "exit", 1)))
    assert stage.reported() == {0: "succeeded", 1: "crashed", 2: "succeeded"}
    crash = next(report for report in stage.api.reports if report.index == 1)
    assert crash.outcome is Outcome.CRASHED
    assert crash.error is not None
    assert crash.error.exit_code == 7


def test_handlers_that_cannot_be_loaded_stop_the_worker_with_a_reason(
    stage: Stage, tmp_path: Path
) -> None:
    broken = tmp_path / "broken.py"
    broken.write_text("import nothing_of_that_name\n")
    stage.start(sources=(str(broken),))
    (line,) = stage.wait_logged("not_started")
    assert "broken.py" in line["reason"]
    assert "nothing_of_that_name" in line["reason"]
