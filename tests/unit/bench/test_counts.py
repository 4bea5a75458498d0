"""What the benches read of a run: counted requests, an execution's history, the sizes asked for."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from local.errors import LocalError
from local.paths import ROOT
from local.processes import Identity
from local.stack import Running, Stack
from tests.bench import counts, cpu, machine, memory, throughput
from tests.bench.__main__ import main

_CALLS = """
import botocore.session
from worker.aws.work_api import SignedWorkApi
from worker.ports import Unavailable

session = botocore.session.Session()
client = session.create_client("sqs", "us-east-1", endpoint_url="http://127.0.0.1:9",
    aws_access_key_id="x", aws_secret_access_key="x")
client._endpoint.http_session.send = lambda request: (_ for _ in ()).throw(SystemExit)
class Http:
    def request(self, *args, **kwargs):
        raise __import__("urllib3").exceptions.HTTPError("nobody")
api = SignedWorkApi.__new__(SignedWorkApi)
api._http, api._signed = Http(), lambda url, data: {}
for path in ("claim", "complete", "complete"):
    try:
        api._send(f"http://x/api/v1/tasks/{path}", b"")
    except Unavailable:
        pass
"""


def running_of(worker: Identity) -> Running:
    """Return a stack of which only one worker is a process."""
    texts = ("api_url", "work_api_url", "site_url", "api_key", "region", "endpoint_url")
    fields: dict[str, Any] = dict.fromkeys((*texts, "state_machine_arn"), "")
    fields |= {name: {} for name in ("tables", "buckets", "queues", "functions")}
    stack = Stack(**fields)
    return Running(stack, None, (worker,), Path(), Path())


def test_calls_of_workers_are_counted_where_they_are_sent(tmp_path: Path) -> None:
    paths = [ROOT / "tests" / "bench" / "hook", ROOT, ROOT / "layers" / "core"]
    env = {"PYTHONPATH": os.pathsep.join(map(str, paths)), "BENCH_COUNTS": str(tmp_path)}
    subprocess.run([sys.executable, "-c", _CALLS], env=env, check=True)
    calls = counts.read(tmp_path).calls
    assert calls["apigateway", "complete"] == 2
    assert calls["apigateway", "claim"] == 1


def test_processes_are_added_up_and_their_peaks_are_not(tmp_path: Path) -> None:
    (tmp_path / "1").write_text("dynamodb PutItem 2.0\npeak finish 700\npeak finish 900\n")
    (tmp_path / "2").write_text("dynamodb PutItem 1.0\ndynamodb Query 8.0\npeak finish 800\n")
    found = counts.read(tmp_path)
    assert found.by_service() == {"dynamodb": 3}
    assert found.write_units == 3.0
    assert found.peaks == {"finish": 900}


def test_a_history_is_counted_by_states_entered_and_its_largest_text() -> None:
    events = [
        {"type": "ExecutionStarted", "executionStartedEventDetails": {"input": "{}"}},
        {"type": "TaskStateEntered", "stateEnteredEventDetails": {"input": "é" * 10}},
        {"type": "TaskScheduled", "taskScheduledEventDetails": {"parameters": "12345"}},
        {"type": "TaskStateExited", "stateExitedEventDetails": {"output": "x" * 30}},
        {"type": "SucceedStateEntered", "stateEnteredEventDetails": {"input": "{}"}},
    ]
    assert machine.summary(events) == machine.History(5, 2, 1, 30)


def test_a_state_takes_from_its_first_entry_to_its_last_exit() -> None:
    begun = datetime(2026, 1, 1, tzinfo=UTC)
    moments = [("Entered", 0), ("Entered", 1), ("Exited", 2), ("Exited", 5)]
    events = [
        {
            "type": f"TaskState{kind}",
            "timestamp": begun + timedelta(seconds=second),
            f"state{kind}EventDetails": {"name": "FinishNode"},
        }
        for kind, second in moments
    ]
    assert machine.summary(events).seconds == {"FinishNode": 5.0}


def test_cpu_time_of_a_worker_and_that_of_its_children_are_told_apart() -> None:
    wait = "import sys\nsys.stdin.read()\n"
    busy = "import time\nwhile time.process_time() < 0.3: pass\n"
    parent = f"import subprocess, sys\nsubprocess.Popen([sys.executable, '-c', {busy + wait!r}])\n"
    worker = subprocess.Popen([sys.executable, "-c", parent + wait], stdin=subprocess.PIPE)
    running, give_up = running_of(Identity(worker.pid, "")), time.monotonic() + 60
    while (used := cpu.read(running))[cpu.CHILDREN] < 250 and time.monotonic() < give_up:
        time.sleep(0.05)
    worker.communicate()
    assert used[cpu.CHILDREN] >= 250
    assert 0 < used[cpu.WORKERS] < used[cpu.CHILDREN]
    assert cpu.since(used, used).total() == 0


def test_memory_is_that_of_the_whole_session() -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", "x = bytearray(64_000_000); print(1, flush=True); input()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    assert child.stdout is not None
    child.stdout.readline()
    assert memory.resident_bytes(Identity(child.pid, "")) > 64_000_000
    child.communicate(b"\n")


def test_sizes_are_read_and_what_is_none_is_refused() -> None:
    assert throughput.sizes("10000 100000") == [10_000, 100_000]
    for text in ("", "many", "0", "1000001", "-5"):
        with pytest.raises(LocalError, match="BENCH_TASKS="):
            throughput.sizes(text)
    assert throughput.one_size("2000") == 2_000
    with pytest.raises(LocalError, match="TASKS="):
        throughput.one_size("1e6")


def test_a_bench_that_is_none_is_named_before_anything_starts(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["througput"]) == 2
    assert "There are: imports, simulation, throughput" in capsys.readouterr().err
