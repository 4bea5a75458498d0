"""The whole loop on fakes: what is received, run, reported, deleted, and what is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.model.states import JobState, Outcome
from orchestrator.model.wire import InputsRef, Run
from tests.unit.worker.conftest import JOB, Stage, message, poll
from worker import outbound, poller


def test_a_message_is_run_reported_and_then_deleted(stage: Stage) -> None:
    sent = stage.queue.send(message("ok.echo", "a", {"b": 1}))
    stage.start()
    stage.queue.wait_deleted(sent)
    assert [report.result for report in stage.api.reports] == ["a", {"b": 1}]
    assert stage.reported() == {0: "succeeded", 1: "succeeded"}
    assert len({report.run_id for report in stage.api.reports}) == 2
    assert not stage.queue.messages


def test_the_first_message_of_a_job_asks_for_the_job_and_the_next_does_not(stage: Stage) -> None:
    stage.start()
    for _ in range(2):
        stage.queue.wait_deleted(stage.queue.send(message("ok.echo", 1)))
    (claim,) = stage.api.claims
    assert (claim.jobs, claim.messages) == ([JOB], [])


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
    monkeypatch.setattr(poller, "ALONE_SECONDS", 0.0)
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


def test_a_give_back_that_failed_is_tried_again(stage: Stage) -> None:
    stage.api.give_backs_to_fail = 1
    sent = stage.queue.send(message("bad.sleep", 1))
    worker = stage.start(drain_seconds=0)
    stage.wait_running()
    worker.stop()
    stage.join()
    assert stage.lines.of("give_back_failed")
    assert stage.queue.deleted == [sent]


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
