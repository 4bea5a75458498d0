"""Every kind of trouble that a handler can make: one cause for the task, a whole slot, no process left."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from orchestrator.model.states import Outcome
from orchestrator.model.wire import CompleteIn
from tests.unit.worker.conftest import Lines, Pool, make_pool, message
from tests.unit.worker.trouble_handlers import ODD
from worker import processes
from worker.entries import RunReport
from worker.frames import Frame
from worker.held import Held
from worker.log import Log
from worker.pool.process import ChildProcess
from worker.ports import Received
from worker.processes import children_of, descendants_of

OK, FAILED, CRASHED = Outcome.SUCCEEDED, Outcome.FAILED, Outcome.CRASHED
TIMED_OUT, OUT_OF_MEMORY = Outcome.TIMED_OUT, Outcome.OUT_OF_MEMORY
MEBIBYTE = 1024 * 1024
BEFORE: set[int] = set()


@pytest.fixture(scope="module", autouse=True)
def _what_other_tests_left() -> None:
    BEFORE.update(children_of(os.getpid()))


def run(pool: Pool, kind: str, **options: Any) -> tuple[Outcome, str | None, Any]:
    (finished,) = pool.run("trouble", kind, **options)
    error, result = finished.ending.error, finished.ending.result
    return (
        finished.ending.outcome,
        error.type if error else None,
        json.loads(result) if result else None,
    )


def assert_whole(pool: Pool) -> None:
    """The next task runs, its output is seen, and the slot's child is the only process there is."""
    assert pool.run("ok.echo", "still here")[0].ending.result == b'"still here"'
    child = pool.children.greeted().pid
    assert set(children_of(os.getpid())) - BEFORE == {child}
    assert list(descendants_of(child)) == []


ENDS: list[tuple[str, Outcome, str | None]] = [
    ("kills_itself:9", CRASHED, "SIGKILL"),
    ("kills_itself:15", CRASHED, "SIGTERM"),
    ("kills_itself:8", CRASHED, "SIGFPE"),
    ("kills_itself:34", CRASHED, "SIGRTMIN"),
    ("kills_its_group", CRASHED, "SIGKILL"),
    ("aborts", CRASHED, "SIGABRT"),
    ("exits_from_a_thread", CRASHED, "ProcessExited"),
    ("becomes_another_program", CRASHED, "ProcessExited"),
    ("exits_in_python:true", FAILED, "SystemExit"),
    ("exits_in_python:text", FAILED, "SystemExit"),
    ("exits_in_python:none", FAILED, "SystemExit"),
    ("leaves_a_daemon", OK, None),
    ("leaves_a_daemon_of_another_environment", OK, None),
    ("leaves_twenty_processes", OK, None),
    ("prints_lines:stdout", OK, None),
    ("prints_lines:stderr", OK, None),
    ("prints_one_line", OK, None),
    ("writes_to_a_file_descriptor:1", OK, None),
    ("writes_to_a_file_descriptor:2", OK, None),
    ("writes_from_c:1", OK, None),
    ("writes_from_c:2", OK, None),
    ("logs_much", OK, None),
    ("closes_its_streams", OK, None),
    ("redirects_its_output", OK, None),
    ("changes_folder", OK, None),
    ("changes_the_mask", OK, None),
    ("changes_signals", OK, None),
    ("sets_an_alarm", OK, None),
    ("lowers_a_soft_limit", OK, None),
    ("lowers_a_hard_limit", OK, None),
    ("leaves_threads:20", OK, None),
    ("leaves_threads:100", OK, None),
    ("leaves_a_thread_that_talks", OK, None),
]


@pytest.mark.parametrize(("kind", "outcome", "error_type"), ENDS)
def test_the_task_ends_with_its_cause_and_the_slot_is_whole(
    pool: Pool, kind: str, outcome: Outcome, error_type: str | None
) -> None:
    assert run(pool, kind)[:2] == (outcome, error_type)
    assert_whole(pool)


@pytest.mark.parametrize(
    "kind",
    [
        "waits_in_c_with_the_lock_held",
        "catches_signals_and_waits_in_c",
        "blocks_all_signals",
        "stops_itself",
        "swallows_every_exception",
        "computes",
        "prints_without_end",
        "logs_without_end",
    ],
)
def test_what_does_not_end_by_itself_is_ended_at_its_time_out(pool: Pool, kind: str) -> None:
    ended = run(pool, kind, timeout=0.4, kill_grace_seconds=0.1)
    assert ended[:2] == (TIMED_OUT, "TimedOut")
    assert_whole(pool)


@pytest.mark.parametrize(
    ("kind", "outcome"),
    [("leaves_a_daemon_and_dies", CRASHED), ("leaves_a_daemon_and_waits", TIMED_OUT)],
)
def test_a_daemon_goes_with_a_process_that_did_not_end_well(
    pool: Pool, tmp_path: Path, kind: str, outcome: Outcome
) -> None:
    noted = tmp_path / "pid"
    timeout = 1.0 if outcome is TIMED_OUT else 30.0
    assert run(pool, f"{kind}:{noted}", timeout=timeout, kill_grace_seconds=0.1)[0] is outcome
    assert not Path(f"/proc/{noted.read_text()}").exists()
    assert_whole(pool)


@pytest.mark.parametrize("odd", ODD)
def test_whatever_is_raised_can_be_reported(pool: Pool, odd: str) -> None:
    """A report that cannot be made takes the others of its batch along."""
    (finished,) = pool.run("trouble", f"raises:{odd}")
    held = Held(
        received=Received(message_id="m", receipt="r", receive_count=1, body="{}"),
        message=message("trouble", None),
        renewed_at=0.0,
        unsettled={0},
    )
    report = RunReport(
        held=held,
        index=0,
        run_id=finished.run.run_id,
        ending=finished.ending,
        duration_ms=1,
        ended_at=0.0,
    )
    body = CompleteIn(worker_id="w-1", reports=[report.wire(1.0)]).model_dump_json()
    (taken,) = CompleteIn.model_validate_json(body).reports
    assert taken.error is not None
    assert taken.outcome is FAILED
    assert_whole(pool)


class EndlessSocket:
    """As a socket is to which a child writes faster than it is read."""

    def __init__(self) -> None:
        self.reads = 0

    def fileno(self) -> int:
        return 1_000_000

    def recv(self, size: int, _: int) -> bytes:
        self.reads += 1
        assert self.reads < 1_000, "the worker never looks up"
        return b"x" * size


def test_a_flood_of_frames_lets_the_worker_look_at_the_clock(
    pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    child, endless = pool.children.greeted(), EndlessSocket()
    with monkeypatch.context() as patched:
        patched.setattr(child, "_socket", endless)
        patched.setattr(child, "_decoder", Silent())
        patched.setattr(child, "_ready", {endless.fileno()})
        assert list(child.frames()) == []
    assert_whole(pool)


class Silent:
    def feed(self, data: bytes) -> list[Frame]:
        return []


def test_memory_of_a_task_s_own_processes_counts(log: Log, tmp_path: Path) -> None:
    limit = 150 * MEBIBYTE
    pool = make_pool(log, tmp_path, memory_bytes=limit)
    assert run(pool, "leaks_in_a_child", memory_bytes=limit)[:2] == (OUT_OF_MEMORY, "OutOfMemory")
    pool.children.close()


def test_a_kill_by_the_kernel_for_want_of_memory_is_told_from_other_kills(
    pool: Pool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    events = tmp_path / "memory.events"
    events.write_text("low 0\noom 0\noom_kill 0\n")
    monkeypatch.setattr(processes, "_oom_events", lambda: events)
    assert run(pool, f"is_killed_for_memory:{events}")[:2] == (OUT_OF_MEMORY, "OutOfMemory")
    assert run(pool, "kills_itself:9")[:2] == (CRASHED, "SIGKILL")
    assert_whole(pool)


@pytest.mark.parametrize(
    "kind",
    [
        "changes_folder",
        "changes_the_mask",
        "changes_signals",
        "sets_an_alarm",
        "lowers_a_soft_limit",
        "lowers_a_hard_limit",
    ],
)
def test_no_task_meets_the_condition_that_another_left(pool: Pool, kind: str) -> None:
    before = run(pool, "tells_its_condition")
    assert before[0] is OK
    first, second = pool.run("trouble", kind, "tells_its_condition")
    assert first.ending.outcome is OK
    assert json.loads(second.ending.result or b"null") == before[2]


@pytest.mark.parametrize(
    ("kind", "replaced"),
    [
        ("closes_its_streams", True),
        ("redirects_its_output", True),
        ("lowers_a_hard_limit", True),
        ("leaves_threads:100", True),
        ("sleeps_a_little", False),
    ],
)
def test_only_a_process_that_is_unfit_is_replaced_and_the_rest_of_the_message_runs(
    pool: Pool, pool_lines: Lines, kind: str, replaced: bool
) -> None:
    first, second, third = pool.run("trouble", kind, "sleeps_a_little", "sleeps_a_little")
    assert [each.ending.outcome for each in (first, second, third)] == [OK] * 3
    assert (first.ending.result != second.ending.result) is replaced
    assert second.ending.result == third.ending.result
    assert [line["line"] for line in pool_lines.of("output")][-2:] == ["a line"] * 2
    assert_whole(pool)


def test_a_thread_left_behind_speaks_for_no_other_task(pool: Pool, pool_lines: Lines) -> None:
    run(pool, "leaves_a_thread_that_talks")
    pool_lines.events.clear()
    for number in range(30):
        assert pool.run("ok.echo", number)[0].ending.result == str(number).encode()
    assert pool_lines.of("handler_log") == []
    run(pool, "aborts")


def test_closed_streams_do_not_keep_the_worker_busy(
    pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits, wait = [], ChildProcess.wait

    def counted(child: ChildProcess, *args: Any) -> None:
        waits.append(1)
        wait(child, *args)

    monkeypatch.setattr(ChildProcess, "wait", counted)
    assert run(pool, "waits_without_streams")[0] is OK
    assert len(waits) < 20
    assert_whole(pool)
