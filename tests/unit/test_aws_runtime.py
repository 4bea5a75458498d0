"""The composition root: settings, dependencies, log lines and metrics as CloudWatch gets them."""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from orchestrator import runtime
from orchestrator.model.states import JobState
from orchestrator.runtime import BadSettings, LambdaJournal, Settings
from orchestrator.service.ports import Limits

ROOT = Path(__file__).parents[2]
ENVIRONMENT = {
    "JOBS_TABLE": "jobs",
    "TASKS_TABLE": "tasks",
    "WORKERS_TABLE": "workers",
    "DATA_BUCKET": "data",
    "RESULTS_BUCKET": "results",
    "TASK_QUEUE_URL": "https://sqs.us-east-1.amazonaws.com/123456789012/tasks",
    "EXPRESS_QUEUE_URL": "https://sqs.us-east-1.amazonaws.com/123456789012/express",
    "STATE_MACHINE_ARN": "arn:aws:states:us-east-1:123456789012:stateMachine:jobs",
    "ENQUEUE_FUNCTION": "enqueue",
    "CURSOR_SECRET_ARN": "arn:aws:secretsmanager:us-east-1:123456789012:secret:c",
    "AWS_REGION": "us-east-1",
}


@dataclass
class Context:
    function_name: str = "f"
    aws_request_id: str = "r-1"

    def get_remaining_time_in_millis(self) -> int:
        return 5_000


@pytest.fixture(autouse=True)
def _own_journal(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    # Powertools keeps a logger, and the stream it found, by the service's name.
    monkeypatch.setenv("POWERTOOLS_SERVICE_NAME", request.node.name)
    monkeypatch.setattr(runtime, "journal", functools.cache(LambdaJournal))


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_settings_have_defaults_for_what_may_be_absent() -> None:
    settings = Settings.read(ENVIRONMENT)
    assert settings.jobs_table == "jobs"
    assert settings.retention == timedelta(days=90)
    assert settings.message_retention == timedelta(days=12)
    assert (settings.batches, settings.endpoint_url) == ("partiql", None)
    assert settings.limits == Limits(active_jobs=0, queued_tasks=0, tasks_per_job=1_000_000)


def test_limits_of_tenants_are_settings() -> None:
    given = {"MAX_ACTIVE_JOBS": "3", "MAX_QUEUED_TASKS": "50000", "MAX_TASKS_PER_JOB": "1000"}
    limits = Settings.read(ENVIRONMENT | given | {"EXPRESS_TASKS": "100"}).limits
    assert limits == Limits(
        active_jobs=3, queued_tasks=50_000, tasks_per_job=1_000, express_tasks=100
    )


def test_all_missing_settings_are_named_at_once() -> None:
    lacking = {
        key: value for key, value in ENVIRONMENT.items() if key not in ("TASKS_TABLE", "AWS_REGION")
    }
    with pytest.raises(BadSettings, match="AWS_REGION, TASKS_TABLE"):
        Settings.read(lacking)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("RETENTION_DAYS", "0"),
        ("RETENTION_DAYS", "ninety"),
        ("MESSAGE_RETENTION_SECONDS", "-1"),
        ("DYNAMODB_BATCHES", "both"),
        ("MAX_ACTIVE_JOBS", "-1"),
        ("MAX_QUEUED_TASKS", "many"),
        ("MAX_TASKS_PER_JOB", "0"),
    ],
)
def test_a_setting_out_of_range_is_named_with_its_value(name: str, value: str) -> None:
    with pytest.raises(BadSettings, match=f"{name}.*{value}"):
        Settings.read(ENVIRONMENT | {name: value})


def test_dependencies_are_made_once_without_a_call(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    runtime.settings.cache_clear()
    runtime.deps.cache_clear()
    deps = runtime.deps()
    assert deps is runtime.deps()
    assert len(deps.new_id()) == 26
    assert len(deps.new_secret()) >= 43
    assert 0 <= deps.random() < 1
    runtime.settings.cache_clear()
    runtime.deps.cache_clear()


def test_the_time_is_aware_and_in_whole_milliseconds() -> None:
    moment = runtime.now()
    assert moment.utcoffset() == timedelta(0)
    assert moment.microsecond % 1000 == 0


def test_an_event_is_one_json_line_with_the_call_s_keys(capsys: pytest.CaptureFixture[str]) -> None:
    with runtime.call(Context(), job_id="j", gen=1, exec=None) as own:
        own.event(
            "task.done",
            attempt=2,
            state=JobState.FAILED,
            due_at=datetime(2026, 1, 1, tzinfo=UTC),
            tenant=None,
        )
    (line,) = lines(capsys)
    assert datetime.fromisoformat(line.pop("timestamp")).utcoffset() == timedelta(0)
    assert line == {
        "level": "INFO",
        "message": "task.done",
        "service": line["service"],
        "function": "f",
        "function_request_id": "r-1",
        "job_id": "j",
        "gen": 1,
        "attempt": 2,
        "state": "FAILED",
        "due_at": "2026-01-01T00:00:00+00:00",
    }


def test_keys_do_not_outlive_their_call(capsys: pytest.CaptureFixture[str]) -> None:
    for keys in ({"job_id": "a"}, {"task_id": "b-1"}):
        with runtime.call(Context(), **keys) as own:
            own.event("x")
    first, second = lines(capsys)
    assert (first["job_id"], second.get("job_id"), second["task_id"]) == ("a", None, "b-1")


def test_an_event_s_own_field_wins_over_the_call_s(capsys: pytest.CaptureFixture[str]) -> None:
    with runtime.call(Context(), request_id="this") as own:
        own.event("x", request_id="that")
    assert lines(capsys)[0]["request_id"] == "that"


def test_a_field_may_have_any_name(capsys: pytest.CaptureFixture[str]) -> None:
    runtime.journal().event("x", args=[1], message="m", module="o")
    (line,) = lines(capsys)
    assert (line["message"], line["args_"], line["message_"]) == ("x", [1], "m")


def test_counts_become_one_emf_line_a_call_with_one_dimension(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with runtime.call(Context()) as own:
        own.count("TasksSucceeded", 3)
        own.count("TasksSucceeded")
        own.count("JobsFailed")
    (line,) = lines(capsys)
    (metrics,) = line["_aws"]["CloudWatchMetrics"]
    assert metrics["Namespace"] == "JobOrchestrator"
    assert metrics["Dimensions"] == [["service"]]
    assert {metric["Name"] for metric in metrics["Metrics"]} == {"TasksSucceeded", "JobsFailed"}
    assert sum(line["TasksSucceeded"]) == 4


def test_a_call_without_counts_writes_no_metrics(capsys: pytest.CaptureFixture[str]) -> None:
    with runtime.call(Context()):
        pass
    assert lines(capsys) == []


def test_an_error_is_logged_with_its_traceback_and_goes_on(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail() -> None:
        with runtime.call(Context(), job_id="j") as own:
            own.count("Seen")
            raise ZeroDivisionError("it broke")

    with pytest.raises(ZeroDivisionError):
        fail()
    line, metrics = lines(capsys)
    assert (line["level"], line["message"], line["job_id"]) == ("ERROR", "call.failed", "j")
    assert "it broke" in line["exception"]
    assert metrics["Seen"] == [1.0]


def test_seconds_left_keep_a_reserve() -> None:
    assert runtime.seconds_left(Context())() == 5.0
    assert runtime.seconds_left(Context(), 20.0)() == -15.0


@pytest.mark.parametrize(
    "function",
    [
        "authorizer",
        "plan_tasks",
        "create_tasks",
        "enqueue_tasks",
        "monitor_job",
        "finish_job",
        "sweep",
        "dead_letters",
    ],
)
def test_functions_without_routes_do_not_pay_for_the_event_handler(function: str) -> None:
    script = (
        f"import sys, {function}.app; "
        "print([m for m in sys.modules if m.startswith(('boto3', 'aws_lambda_powertools.event_handler'))])"
    )
    answer = subprocess.run(
        [sys.executable, "-c", script],
        check=True,
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": f"{ROOT / 'layers/core'}{os.pathsep}{ROOT / 'functions'}"},
    )
    assert answer.stdout.strip() == "[]"
