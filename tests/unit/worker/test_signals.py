"""The worker as a process: drained, hurried, killed or frozen, it leaves no child behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.unit.worker.conftest import poll
from tests.unit.worker.test_pool import is_gone
from worker.clock import clock

SCRIPT = "tests.unit.worker.worker_process"
LEASE = 3
_WATCHDOG_SECONDS = 60


@dataclass
class Process:
    """A worker with one task a gate; `pids` are of the tasks' processes, by index."""

    gates: list[Path]
    drain_seconds: float
    signals_to: str = "main"
    pids: dict[int, int] = field(default_factory=dict)
    told: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        arguments = [self.signals_to, str(LEASE), str(self.drain_seconds), *map(str, self.gates)]
        env = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        self._process = subprocess.Popen(
            [sys.executable, "-m", SCRIPT, *arguments], env=env, stdout=subprocess.PIPE
        )
        self._watchdog = threading.Timer(_WATCHDOG_SECONDS, self._process.kill)
        self._watchdog.start()
        while len(self.pids) < len(self.gates):
            index, pid = map(int, self.wait_for("output")["line"].split())
            self.pids[index] = pid

    def wait_for(self, event: str) -> dict[str, Any]:
        """Read the log until an event."""
        assert self._process.stdout is not None
        for line in self._process.stdout:
            read: dict[str, Any] = json.loads(line)
            if read["event"] == event:
                return read
        raise AssertionError(f"it ended without {event}")

    def signal(self, *numbers: signal.Signals) -> None:
        for number in numbers:
            self._process.send_signal(number)

    def is_stopped(self) -> bool:
        return Path(f"/proc/{self._process.pid}/stat").read_text().split()[2] == "T"

    def end(self) -> int:
        """Read what it told and wait for its end."""
        self.told = self.wait_for("told")
        return self._process.wait()

    def close(self) -> None:
        """End it if it lives, and wait until no task's process is left."""
        self._process.kill()
        self._process.wait()
        self._watchdog.cancel()
        if self._process.stdout is not None:
            self._process.stdout.close()
        poll(lambda: all(map(is_gone, self.pids.values())))


@pytest.fixture
def made() -> Iterator[list[Process]]:
    processes = list[Process]()
    yield processes
    for process in processes:
        process.close()


@pytest.mark.parametrize("signals_to", ["main", "other"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_one_signal_lets_running_tasks_end(
    made: list[Process], tmp_path: Path, number: signal.Signals, signals_to: str
) -> None:
    """Whichever thread the kernel hands it to: after a freeze it need not be the main one."""
    gates = [tmp_path / "a", tmp_path / "b"]
    made.append(process := Process(gates, drain_seconds=3600, signals_to=signals_to))
    process.signal(number)
    process.wait_for("draining")
    for gate in gates:
        gate.touch()
    assert process.end() == 0
    assert process.told["reported"] == [0, 1]
    assert process.told["deleted"] == 2


@pytest.mark.parametrize(
    "numbers",
    [
        [signal.SIGTERM, signal.SIGTERM],
        [signal.SIGINT, signal.SIGTERM],
        [signal.SIGTERM, signal.SIGINT] * 20,
    ],
    ids=["terminated twice", "interrupted, then terminated", "a burst"],
)
def test_a_second_signal_interrupts_what_runs_and_gives_it_back(
    made: list[Process], tmp_path: Path, numbers: list[signal.Signals]
) -> None:
    made.append(process := Process([tmp_path / "never"], drain_seconds=3600))
    process.signal(numbers[0])
    process.wait_for("draining")
    process.signal(numbers[1])
    process.signal(*numbers[2:])
    assert process.end() == 0
    assert process.told["reported"] == []
    if len(numbers) == 2:
        assert (process.told["interrupted"], process.told["deleted"]) == ([0], 1)


def test_a_worker_that_is_killed_leaves_no_process_behind(
    made: list[Process], tmp_path: Path
) -> None:
    made.append(process := Process([tmp_path / "a", tmp_path / "b"], drain_seconds=0))
    process.signal(signal.SIGKILL)
    poll(lambda: all(map(is_gone, process.pids.values())))


def test_a_worker_that_was_frozen_beyond_its_lease_says_nothing_of_what_it_ran(
    made: list[Process], tmp_path: Path
) -> None:
    """One task ends while the worker is frozen, the other still runs when it thaws."""
    ends = tmp_path / "ends"
    made.append(process := Process([ends, tmp_path / "never"], drain_seconds=0))
    process.signal(signal.SIGSTOP)
    poll(process.is_stopped)
    ends.touch()
    thaw_at = clock() + LEASE + 0.5
    poll(lambda: clock() > thaw_at)
    process.signal(signal.SIGCONT)
    process.wait_for("lease_lost")
    process.wait_for("lease_lost")
    poll(lambda: is_gone(process.pids[1]))
    process.signal(signal.SIGTERM)
    assert process.end() == 0
    assert (process.told["reported"], process.told["interrupted"]) == ([], [])
    assert process.told["deleted"] == 0
