"""`python -m worker` as a process: its arguments, its exit codes, a signal at any time."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.unit.worker.conftest import poll
from worker.processes import children_of

ENV = {
    "TASK_QUEUE_URL": "http://127.0.0.1:9/queue",
    "WORK_API_URL": "http://127.0.0.1:9/api",
    "DATA_BUCKET": "data",
    "RESULTS_BUCKET": "results",
    "WORKER_HTTP_HOST": "127.0.0.1",
    "WORKER_HTTP_PORT": "0",
    "WORKER_SLOTS": "1",
}
_SECONDS = 60


def environment(*first: Path, **changes: str) -> dict[str, str]:
    """Return a worker's environment; modules of the folders `first` hide all others of their name."""
    path = os.pathsep.join([*map(str, first), *filter(None, sys.path)])
    return {**os.environ, **ENV, "PYTHONPATH": path, **changes}


def run(*arguments: str, **changes: str) -> tuple[int, list[dict[str, Any]], str]:
    """Run a worker to its end; return exit code, log and what it printed for a person."""
    command = [sys.executable, "-m", "worker", *arguments]
    done = subprocess.run(
        command,
        env=environment(**changes),
        capture_output=True,
        check=False,
        text=True,
        timeout=_SECONDS,
    )
    log = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    return done.returncode, log, done.stdout + done.stderr


@pytest.mark.parametrize("argument", ["--until-emptied", "--until", "now"])
def test_unknown_arguments_print_the_usage(argument: str) -> None:
    code, log, text = run(argument)
    assert (code, log) == (2, [])
    assert "usage: python -m worker [-h] [--until-empty]" in text


def test_help_tells_the_exit_codes() -> None:
    code, _, text = run("--help")
    assert code == 0
    assert "143 (SIGTERM)" in text


def test_a_setting_that_is_wrong_is_named() -> None:
    code, (line,), _ = run(WORKER_HTTP_PORT="http")
    assert (code, line["event"]) == (2, "invalid_setting")
    assert "WORKER_HTTP_PORT" in line["reason"]


def test_a_port_that_is_taken_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        code, (line,), _ = run(WORKER_HTTP_PORT=str(taken.getsockname()[1]))
    assert (code, line["event"]) == (2, "not_served")
    assert "WORKER_HTTP_PORT" in line["reason"]


def test_handlers_that_cannot_be_loaded_are_told(tmp_path: Path) -> None:
    broken = tmp_path / "broken.py"
    broken.write_text("1 / 0\n")
    code, log, _ = run(HANDLERS=str(broken), WORKER_HTTP_PORT="off")
    assert (code, [line["event"] for line in log]) == (1, ["not_started"])


@contextmanager
def started(prefix: list[str], env: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        [*prefix, sys.executable, "-m", "worker"], env=env, stdout=subprocess.PIPE
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def slow(folder: Path, module: str) -> Path:
    """Make a module that takes a minute to be imported, and the file that appears when that begins."""
    begun = folder / "begun"
    code = f"import time\nopen({str(begun)!r}, 'w').close()\ntime.sleep(60)\n"
    (folder / f"{module}.py").write_text(code)
    return begun


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_while_modules_are_imported_ends_it_at_once(
    tmp_path: Path, number: signal.Signals
) -> None:
    begun = slow(tmp_path, "boto3")
    with started([], environment(tmp_path)) as process:
        poll(begun.exists)
        process.send_signal(number)
        assert process.wait(_SECONDS) == 128 + number


_AS_FIRST = ["unshare", "--pid", "--fork", "--kill-child"]


def _may_be_first() -> bool:
    try:
        done = subprocess.run([*_AS_FIRST, "true"], capture_output=True, check=False)
        return done.returncode == 0
    except OSError:
        return False


@pytest.mark.skipif(not _may_be_first(), reason="no process namespace can be made here")
def test_process_1_of_a_container_is_ended_too(tmp_path: Path) -> None:
    """To it the kernel gives only signals that it has a handler for."""
    begun = slow(tmp_path, "boto3")
    with started(_AS_FIRST, environment(tmp_path)) as outside:
        poll(begun.exists)
        (first,) = children_of(outside.pid)
        os.kill(first, signal.SIGTERM)
        assert outside.wait(_SECONDS) == 128 + signal.SIGTERM


def test_a_signal_while_handlers_are_loaded_ends_it_before_it_receives(tmp_path: Path) -> None:
    begun = slow(tmp_path, "my_handlers")
    env = environment(HANDLERS=str(tmp_path / "my_handlers.py"))
    with started([], env) as process:
        poll(begun.exists)
        process.send_signal(signal.SIGTERM)
        assert process.wait(_SECONDS) == 128 + signal.SIGTERM
        assert process.stdout is not None
        events = [json.loads(line)["event"] for line in process.stdout]
        assert events == ["serving", "ended"]
