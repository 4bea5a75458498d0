"""A process is ours only when its pid and its start agree; what we start ends with us."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from local import interrupt
from local.paths import ROOT
from local.processes import (
    Identity,
    alive,
    free_port,
    identify,
    port_is_free,
    spawn,
    stop_groups,
)
from local.scope import ClosedError, Scope

SLEEP = [sys.executable, "-c", "import time; time.sleep(60)"]
STUBBORN = [
    sys.executable,
    "-c",
    "import signal, time; signal.signal(15, signal.SIG_IGN); print(1, flush=True); time.sleep(60)",
]


def until(check: object, seconds: float = 20) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if callable(check) and check():
            return True
        time.sleep(0.02)
    return False


@pytest.fixture
def sleeper(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    child = spawn(SLEEP, env={}, cwd=tmp_path, log=tmp_path / "log")
    yield child
    child.kill()
    child.wait()


def test_a_running_process_is_known_by_pid_and_start(sleeper: subprocess.Popen[bytes]) -> None:
    process = identify(sleeper.pid)
    assert process is not None
    assert alive(process)


def test_a_later_process_with_the_same_pid_is_another_one(sleeper: subprocess.Popen[bytes]) -> None:
    assert not alive(Identity(sleeper.pid, "an earlier start"))


def test_another_process_with_our_pid_is_never_ended(sleeper: subprocess.Popen[bytes]) -> None:
    stop_groups([Identity(sleeper.pid, "an earlier start")], grace_seconds=0.1)
    assert sleeper.poll() is None


def test_a_process_that_has_ended_is_not_alive_before_it_is_reaped(tmp_path: Path) -> None:
    child = spawn([sys.executable, "-c", ""], env={}, cwd=tmp_path, log=tmp_path / "log")
    assert until(lambda: identify(child.pid) is None)
    child.wait()


def test_a_process_that_ignores_the_request_to_end_is_killed(tmp_path: Path) -> None:
    log = tmp_path / "log"
    child = spawn(STUBBORN, env={}, cwd=tmp_path, log=log)
    assert until(lambda: log.read_text() == "1\n")
    process = identify(child.pid)
    assert process is not None
    stop_groups([process], grace_seconds=0.2, children=[child])
    assert child.returncode == -signal.SIGKILL


def test_the_group_of_a_leader_that_has_gone_is_ended(tmp_path: Path) -> None:
    script = (
        "import subprocess, sys; child = subprocess.Popen("
        "[sys.executable, '-c', 'import time; time.sleep(60)']); print(child.pid, flush=True)"
    )
    log = tmp_path / "log"
    leader = spawn([sys.executable, "-c", script], env={}, cwd=tmp_path, log=log)
    process = identify(leader.pid)
    assert process is not None
    leader.wait()
    grandchild = identify(int(log.read_text()))
    assert grandchild is not None
    stop_groups([process])
    assert until(lambda: not alive(grandchild))


def test_a_free_port_can_be_bound_and_a_used_one_is_not_free() -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", free_port()))
        server.listen()
        assert not port_is_free(server.getsockname()[1])
    assert port_is_free(free_port())


def test_a_scope_ends_its_processes_and_removes_its_folders() -> None:
    with Scope() as scope:
        folder = scope.folder("test")
        process = scope.spawn(SLEEP, env={}, cwd=folder, log=folder / "log")
        assert alive(process)
    assert not alive(process)
    assert not folder.exists()


def test_a_scope_that_is_closed_starts_nothing_more() -> None:
    scope = Scope()
    scope.close()
    with pytest.raises(ClosedError):
        scope.folder("test")


def test_what_is_kept_outlives_its_scope() -> None:
    with Scope() as scope:
        folder = scope.folder("test")
        process = scope.spawn(SLEEP, env={}, cwd=folder, log=folder / "log")
        scope.keep()
    assert alive(process)
    assert folder.exists()
    stop_groups([process])
    (folder / "log").unlink()
    folder.rmdir()


def test_what_is_held_ends_when_we_are_killed(tmp_path: Path) -> None:
    script = (
        "import sys, time; from local.scope import Scope; scope = Scope();"
        "folder = scope.folder('test');"
        "process = scope.spawn([sys.executable, '-c', 'import time; time.sleep(60)'],"
        " env={}, cwd=folder, log=folder / 'log');"
        "print(process.pid, process.started, folder, sep='|', flush=True); time.sleep(60)"
    )
    log = tmp_path / "log"
    parent = spawn([sys.executable, "-c", script], env={}, cwd=ROOT, log=log)
    assert until(lambda: log.read_text().endswith("\n"))
    pid, started, folder = log.read_text().strip().split("|")
    assert alive(Identity(int(pid), started))
    parent.kill()
    parent.wait()
    assert until(lambda: not alive(Identity(int(pid), started)))
    assert until(lambda: not Path(folder).exists())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_each_signal_interrupts_once_with_its_exit_code(number: signal.Signals) -> None:
    script = (
        "import os, sys\nfrom local import interrupt\ninterrupt.install()\n"
        "try:\n os.kill(os.getpid(), int(sys.argv[1]))\n sys.exit(1)\n"
        "except interrupt.Interrupted as error:\n"
        " os.kill(os.getpid(), 15)\n sys.exit(error.exit_code)\n"
    )
    done = subprocess.run([sys.executable, "-c", script, str(int(number))], cwd=ROOT, check=False)
    assert done.returncode == 128 + number
    assert issubclass(interrupt.Interrupted, KeyboardInterrupt)


def test_a_command_under_make_ends_when_make_is_killed(tmp_path: Path) -> None:
    inner = (
        "import time\nfrom local import interrupt\ninterrupt.install()\nprint(1, flush=True)\n"
        "time.sleep(60)\n"
    )
    outer = "import subprocess, sys; subprocess.run([sys.executable, '-c', sys.argv[1]])"
    log = tmp_path / "log"
    env = {"MAKELEVEL": "1", "PATH": os.defpath}
    make = spawn([sys.executable, "-c", outer, inner], env=env, cwd=ROOT, log=log)
    assert until(lambda: "1" in log.read_text())
    children = Path(f"/proc/{make.pid}/task/{make.pid}/children")
    if not children.exists():
        pytest.skip("this system does not list the children of a process")
    child = identify(int(children.read_text().split()[0]))
    assert child is not None
    make.kill()
    make.wait()
    assert until(lambda: not alive(child))
