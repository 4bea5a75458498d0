"""Which processes are hit, how workers die and live again, how executions are stopped."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from local.faults import ledger, mortality, setting
from local.faults.knobs import Faults, parse
from local.faults.process import FAULTS, FOLDER, role_of
from local.faults.stopper import STOPS_A_JOB, Stopper
from local.paths import ROOT
from tests.unit.local_faults.dice import always


@pytest.mark.parametrize(
    ("environ", "command", "role"),
    [
        ({"AWS_LAMBDA_FUNCTION_NAME": "job-orchestrator-work-api"}, ["python", "x"], "work_api"),
        ({}, ["python", "-m", "worker"], "worker"),
        ({}, ["python", "-m", "worker.child", "{}"], None),
        ({}, ["python", "-m", "ministack"], None),
        ({}, ["python", "-m", "local.faults.supervisor"], None),
    ],
)
def test_functions_and_workers_are_hit_and_handlers_are_not(
    environ: dict[str, str], command: list[str], role: str | None
) -> None:
    assert role_of(environ, command) == role


def in_process(tmp_path: Path, code: str, **environ: str) -> str:
    """Run code in a process of a function that has all faults; return what it prints."""
    hooks = setting.hooks(Faults({"throttle": 1.0}, 1), tmp_path)
    ledger.arm(Path(hooks[FOLDER]))
    env = {"PATH": os.defpath, **hooks, **environ}
    return subprocess.run(
        [sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True
    ).stdout.strip()


def test_the_hook_changes_botocore_as_it_comes_and_leaves_no_path_behind(tmp_path: Path) -> None:
    code = (
        "import sys; assert 'botocore' not in sys.modules; import botocore.client, botocore.endpoint;"
        "print(botocore.client.BaseClient._make_api_call.__module__,"
        f"botocore.endpoint.Endpoint._send.__module__, {str(ROOT)!r} in sys.path)"
    )
    printed = in_process(tmp_path, code, AWS_LAMBDA_FUNCTION_NAME="job-orchestrator-sweep")
    assert printed == "local.faults.aws_calls local.faults.aws_calls False"
    assert [file.name for file in (tmp_path / "faults").glob("sweep-*")] == ["sweep-0001.jsonl"]


def test_the_hook_leaves_other_processes_alone(tmp_path: Path) -> None:
    code = "import botocore.client; print(botocore.client.BaseClient._make_api_call.__module__)"
    assert in_process(tmp_path, code) == "botocore.client"


def test_without_faults_a_stack_is_launched_as_ever(tmp_path: Path) -> None:
    none = Faults()
    assert setting.hooks(none, tmp_path) == {}
    assert setting.worker_command(none) == ["worker"]
    assert setting.stopper(none, 1, "arn") == {}
    assert setting.lease_seconds(none) == ""
    setting.begin(none, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_one_worker_alone_stops_executions() -> None:
    faults = Faults({"stop_machine": 0.1})
    assert [bool(setting.stopper(faults, number, "arn")) for number in (1, 2, 3)] == [
        True,
        False,
        False,
    ]


def test_what_functions_read_is_what_was_asked_for(tmp_path: Path) -> None:
    faults = Faults({"delay": 0.5}, 9)
    hooks = setting.hooks(faults, tmp_path)
    assert parse(hooks[FAULTS]) == faults
    assert Path(hooks[FOLDER]).is_dir()


def received(*receipts: str) -> dict[str, Any]:
    return {"Messages": [{"ReceiptHandle": receipt} for receipt in receipts]}


def changed(receipt: str, seconds: int) -> dict[str, Any]:
    return {"Entries": [{"ReceiptHandle": receipt, "VisibilityTimeout": seconds}]}


def test_a_worker_is_busy_while_one_of_its_leases_lives() -> None:
    now = [0.0]
    held = mortality.Held(10, lambda: now[0])
    assert not held.busy()
    held.watch("sqs.ReceiveMessage", {}, received("a", "b"))
    assert held.busy()
    held.watch("sqs.DeleteMessageBatch", {"Entries": [{"ReceiptHandle": "a"}]}, {})
    assert held.busy()
    now[0] = 9.0
    held.watch("sqs.ChangeMessageVisibilityBatch", changed("b", 10), {})
    now[0] = 15.0
    assert held.busy()
    now[0] = 19.5
    assert not held.busy()


def test_a_message_that_was_put_back_keeps_no_worker_busy() -> None:
    held = mortality.Held(10, lambda: 0.0)
    held.watch("sqs.ReceiveMessage", {}, received("a"))
    held.watch("sqs.ChangeMessageVisibilityBatch", changed("a", 3), {})
    assert not held.busy()


def test_only_a_busy_worker_is_killed_or_frozen(tmp_path: Path) -> None:
    kill, freeze = always(tmp_path, "kill_worker"), always(tmp_path, "stop_worker")
    assert mortality.signal_for(kill, busy=True) is signal.SIGKILL
    assert mortality.signal_for(freeze, busy=True) is signal.SIGSTOP
    assert mortality.signal_for(kill, busy=False) is None
    ledger.disarm(tmp_path)
    assert mortality.signal_for(kill, busy=True) is None


SUPERVISE = """
import sys
from local.faults.supervisor import Supervisor
sys.exit(Supervisor([sys.executable, "-c", sys.argv[1]], float(sys.argv[2])).run())
"""
LIVES = """
import os, pathlib, signal, sys, time
log = pathlib.Path(os.environ["LOG"])
life = len(log.read_text().splitlines()) if log.exists() else 0
with log.open("a") as file: print("life", file=file)
"""


def supervise(tmp_path: Path, worker: str, freeze_seconds: float = 0.2) -> subprocess.Popen[bytes]:
    """Start a supervisor around a program that notes each of its lives."""
    paths = [ROOT, ROOT / "layers" / "core"]
    env = {
        "PATH": os.defpath,
        "PYTHONPATH": os.pathsep.join(map(str, paths)),
        "LOG": str(tmp_path / "log"),
    }
    command = [sys.executable, "-c", SUPERVISE, LIVES + worker, str(freeze_seconds)]
    return subprocess.Popen(command, env=env, start_new_session=True)


def lives(tmp_path: Path) -> int:
    log = tmp_path / "log"
    return len(log.read_text().splitlines()) if log.exists() else 0


def until(check: Callable[[], bool], seconds: float = 30) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if check():
            return True
        time.sleep(0.02)
    return False


def test_a_killed_worker_is_started_again_and_its_own_end_is_the_supervisors(
    tmp_path: Path,
) -> None:
    worker = "os.kill(os.getpid(), signal.SIGKILL) if life < 2 else sys.exit(3)"
    supervisor = supervise(tmp_path, worker)
    assert supervisor.wait(30) == 3
    assert lives(tmp_path) == 3


def test_a_frozen_worker_wakes_up(tmp_path: Path) -> None:
    supervisor = supervise(tmp_path, "os.kill(os.getpid(), signal.SIGSTOP); sys.exit(4)")
    assert supervisor.wait(30) == 4
    assert lives(tmp_path) == 1


def test_what_a_killed_worker_started_is_ended_too(tmp_path: Path) -> None:
    worker = f"""
import subprocess
if life == 0:
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], start_new_session=True)
    pathlib.Path({str(tmp_path / "child")!r}).write_text(str(child.pid))
    os.kill(os.getpid(), signal.SIGKILL)
"""
    assert supervise(tmp_path, worker).wait(30) == 0
    child = int((tmp_path / "child").read_text())
    assert not Path(f"/proc/{child}").exists()


@pytest.mark.parametrize("frozen", [False, True])
def test_the_end_of_the_supervisor_is_the_worker_s_orderly_end(
    tmp_path: Path, frozen: bool
) -> None:
    stop = "os.kill(os.getpid(), signal.SIGSTOP);" if frozen else ""
    ended = tmp_path / "ended"
    worker = (
        f"signal.signal(15, lambda *_: (pathlib.Path({str(ended)!r}).touch(), sys.exit(0)));"
        f"open(os.environ['LOG'], 'a').write('ready\\n'); {stop}"
        # In short turns: a signal just before a long sleep would be looked at after it.
        "[time.sleep(0.1) for _ in range(600)]"
    )
    supervisor = supervise(tmp_path, worker, freeze_seconds=60)
    assert until(lambda: lives(tmp_path) == 2)
    supervisor.terminate()
    assert supervisor.wait(30) == 0
    assert ended.exists()


def test_an_end_that_comes_while_a_worker_starts_reaches_it(tmp_path: Path) -> None:
    code = (
        "import signal, sys; from local.faults.supervisor import Supervisor;"
        "supervisor = Supervisor([sys.executable, '-c', 'import time; time.sleep(60)'], 1);"
        "supervisor._end(signal.SIGTERM, None); sys.exit(supervisor.run())"
    )
    paths = os.pathsep.join(map(str, [ROOT, ROOT / "layers" / "core"]))
    env = {"PATH": os.defpath, "PYTHONPATH": paths}
    ended = subprocess.run([sys.executable, "-c", code], env=env, timeout=30, check=False)
    assert ended.returncode == 128 + signal.SIGTERM


class States:
    """Step Functions with one execution of a job that always runs."""

    def __init__(self) -> None:
        self.stopped: list[str] = []

    def list_executions(self, **_: object) -> Any:
        return {"executions": [{"name": "J-1-1", "executionArn": "arn:J-1-1"}]}

    def stop_execution(self, executionArn: str, **_: object) -> None:  # noqa: N803
        self.stopped.append(executionArn)


def test_a_job_s_executions_are_stopped_only_so_often(tmp_path: Path) -> None:
    states = States()
    stopper = Stopper(states, "arn", always(tmp_path, "stop_machine"))
    for _ in range(10):
        stopper.look()
    assert states.stopped == ["arn:J-1-1"] * STOPS_A_JOB
    assert ledger.by_kind(tmp_path) == {"stop_machine": STOPS_A_JOB}


def test_no_execution_is_stopped_while_the_faults_are_not_armed(tmp_path: Path) -> None:
    states = States()
    stopper = Stopper(states, "arn", always(tmp_path, "stop_machine"))
    ledger.disarm(tmp_path)
    stopper.look()
    assert states.stopped == []
