"""What Prometheus is told of a worker that runs, fails, loses and gives back."""

from __future__ import annotations

from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from tests.unit.worker.conftest import HANDLERS, Stage, message, poll
from worker.metrics import Meters, Reading


def values(meters: Meters) -> dict[str, float]:
    """Return each sample's value, by name and labels as they are written."""
    return {
        sample.name + "".join(f" {value}" for value in sample.labels.values()): sample.value
        for family in text_string_to_metric_families(meters.text().decode())
        for sample in family.samples
        if not sample.name.endswith("_bucket")
    }


def told(stage: Stage) -> dict[str, float]:
    found = values(stage.parts[0].meters)
    return {name.removeprefix("orchestrator_"): value for name, value in found.items()}


def test_tasks_are_counted_by_handler_and_outcome_and_timed(stage: Stage) -> None:
    stage.start()
    stage.queue.wait_deleted(
        stage.queue.send(message("ok.echo", 1, 2)),
        stage.queue.send(message("bad.raise", "ValueError", start=5, stop=6)),
    )
    seen = told(stage)
    assert seen["tasks_total ok.echo succeeded"] == 2
    assert seen["tasks_total bad.raise failed"] == 1
    assert seen["task_duration_seconds_count ok.echo"] == 2
    assert seen["messages_received_total"] == 2
    assert seen["reports_total committed"] == 3
    assert seen["deletes_total deleted"] == 2
    assert seen["receives_total messages"] >= 1
    assert seen["api_calls_total complete answered"] >= 1


def test_what_runs_is_read_when_it_is_asked_for(stage: Stage, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    sent = stage.queue.send(message("ok.wait", str(gate)))
    stage.start(slots=3)
    stage.wait_running()
    seen = told(stage)
    assert (seen["slots"], seen["slots_busy"], seen["messages_held"]) == (3, 1, 1)
    stage.api.down = True
    gate.touch()
    stage.wait_logged("report_failed")
    seen = told(stage)
    assert (seen["slots_busy"], seen["messages_held"], seen["reports_waiting"]) == (0, 1, 1)
    assert seen["oldest_report_seconds"] > 0
    assert seen["api_calls_total complete failed"] >= 1
    stage.api.down = False
    stage.queue.wait_deleted(sent)
    poll(lambda: told(stage)["messages_held"] == 0)
    assert told(stage)["reports_waiting"] == 0
    assert told(stage)["oldest_report_seconds"] == 0


def test_an_interrupted_task_and_what_did_not_begin_are_counted_apart(stage: Stage) -> None:
    stage.queue.send(message("bad.sleep", 1, 2, 3))
    stage.start(drain_seconds=0)
    stage.wait_running()
    stage.stop()
    seen = told(stage)
    assert seen["tasks_total bad.sleep interrupted"] == 1
    assert seen["tasks_total bad.sleep given_back"] == 2
    assert seen["tasks_given_back_total"] == 3


def test_a_dead_child_and_a_lost_lease_are_counted(stage: Stage, tmp_path: Path) -> None:
    stage.start(lease_seconds=3)
    stage.queue.wait_deleted(stage.queue.send(message("bad.exit", 3)))
    assert told(stage)["child_restarts_total"] == 1
    sent = stage.queue.send(message("ok.wait", str(tmp_path / "never")))
    stage.queue.refuse.add(sent)
    stage.wait_logged("lease_lost")
    poll(lambda: "tasks_total ok.wait lost" in told(stage))
    assert told(stage)["leases_lost_total"] == 1


def test_renewals_are_counted_by_what_came_of_them(stage: Stage, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    sent = stage.queue.send(message("ok.wait", str(gate)))
    stage.queue.fail_once.add(sent)
    stage.start(lease_seconds=3)
    poll(lambda: told(stage).get("lease_renewals_total renewed", 0) >= 1)
    assert told(stage)["lease_renewals_total failed"] == 1
    gate.touch()
    stage.queue.wait_deleted(sent)


def test_receives_that_fail_are_counted(stage: Stage) -> None:
    stage.queue.down = True
    stage.start()
    stage.wait_logged("receive_failed", 2)
    assert told(stage)["receives_total failed"] >= 2
    stage.queue.down = False


def test_handlers_beyond_a_hundred_share_a_series() -> None:
    meters = Meters()
    for number in range(150):
        meters.finished(f"h{number}", "succeeded", 1)
    seen = values(meters)
    assert seen["orchestrator_tasks_total (others) succeeded"] == 50
    assert sum(name.startswith("orchestrator_tasks_total") for name in seen) == 101


def test_two_workers_of_one_process_count_apart() -> None:
    first, second = Meters(), Meters()
    first.received.inc()
    second.describe("1.2.3", lambda: Reading(slots=2))
    assert values(first)["orchestrator_messages_received_total"] == 1
    assert values(second)["orchestrator_messages_received_total"] == 0
    assert values(second)["orchestrator_worker_info 1.2.3"] == 1
    assert not any(name.endswith("_created") for name in values(second))


def test_the_sample_handlers_are_known_by_their_names_alone(stage: Stage) -> None:
    """No input, key or job becomes a label: series would grow without bound."""
    stage.start(sources=(HANDLERS,))
    stage.queue.wait_deleted(stage.queue.send(message("ok.echo", "secret")))
    assert "secret" not in stage.parts[0].meters.text().decode()
