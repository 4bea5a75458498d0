"""The pool against every kind of handler: the task ends with its cause, the slot is whole again."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from orchestrator.model.states import Outcome
from tests.unit.worker.conftest import Lines, Pool, make_pool, poll
from worker.log import Log
from worker.pool.events import Dropped, Finished, Lost, Returned
from worker.pool.orders import Orders

MEBIBYTE = 1024 * 1024


def is_whole(pool: Pool) -> bool:
    (finished,) = pool.run("ok.echo", "still here")
    return finished.ending.result == b'"still here"'


def is_gone(pid: int) -> bool:
    """Tell whether a process has ended; one that does so while it is looked at is gone too."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().split()[2] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


def test_tasks_run_in_order_and_give_their_results_as_json(pool: Pool) -> None:
    finished = pool.run("ok.echo", 1, "two", [3], {"four": None}, None)
    assert [event.run.index for event in finished] == [0, 1, 2, 3, 4]
    results = [event.ending.result for event in finished]
    assert results == [b"1", b'"two"', b"[3]", b'{"four":null}', b"null"]
    assert {event.ending.outcome for event in finished} == {Outcome.SUCCEEDED}


def test_one_child_serves_message_after_message(pool: Pool) -> None:
    first, second = pool.run("bad.exit_second", 1), pool.run("bad.exit_second", 1)
    assert first[0].ending.result == second[0].ending.result


@pytest.mark.parametrize(
    ("name", "outcome"),
    [
        ("ValueError", Outcome.FAILED),
        ("Unpicklable", Outcome.FAILED),
        ("Rude", Outcome.FAILED),
        ("Mute", Outcome.FAILED),
        ("KeyboardInterrupt", Outcome.FAILED),
        ("SystemExit", Outcome.FAILED),
        ("GeneratorExit", Outcome.FAILED),
        ("MemoryError", Outcome.OUT_OF_MEMORY),
    ],
)
def test_whatever_is_raised_ends_the_task_with_its_name(
    pool: Pool, name: str, outcome: Outcome
) -> None:
    (finished,) = pool.run("bad.raise", name)
    error = finished.ending.error
    assert error is not None
    assert (finished.ending.outcome, error.type) == (outcome, name)
    assert error.retryable
    assert "sample_handlers.py" in str(error.traceback)
    assert "worker/invoke.py" not in str(error.traceback)
    assert is_whole(pool)


def test_a_permanent_error_is_not_retried_and_shows_no_traceback(pool: Pool) -> None:
    (finished,) = pool.run("bad.permanent", None)
    error = finished.ending.error
    assert error is not None
    assert (error.type, error.message) == ("EmptyFile", "the file is empty")
    assert not error.retryable
    assert error.traceback is None


def test_endless_recursion_ends_the_task(pool: Pool) -> None:
    (finished,) = pool.run("bad.recursion", None)
    assert finished.ending.error is not None
    assert finished.ending.error.type == "RecursionError"
    assert is_whole(pool)


@pytest.mark.parametrize(
    "kind",
    ["nan", "set", "bytes", "object", "surrogate", "huge", "circular", "deep", "deep_and_large"],
)
def test_what_is_not_json_is_a_bad_result(pool: Pool, kind: str) -> None:
    (finished,) = pool.run("bad.result", kind)
    assert finished.ending.outcome is Outcome.BAD_RESULT


def test_input_that_does_not_fit_names_the_field_and_is_not_retried(pool: Pool) -> None:
    fits, wrong, missing = pool.run("ok.sum", {"a": 1, "b": 2}, {"a": "x", "b": 2}, None)
    assert fits.ending.result == b"3"
    error = wrong.ending.error
    assert error is not None
    assert (error.type, error.retryable) == ("InvalidInput", False)
    assert error.message.startswith("input.a: Input should be a valid integer")
    assert missing.ending.error is not None
    assert missing.ending.error.message.startswith("input: ")


@pytest.mark.parametrize("code", [0, 3])
def test_an_exit_of_the_process_is_a_crash_with_its_code(pool: Pool, code: int) -> None:
    (finished,) = pool.run("bad.exit", code)
    assert finished.ending.outcome is Outcome.CRASHED
    assert finished.ending.error is not None
    assert finished.ending.error.exit_code == code
    assert is_whole(pool)


def test_a_crash_is_blamed_on_the_task_that_ran_and_the_others_run(pool: Pool) -> None:
    before, crash, after = pool.run("bad.exit_second", "go", "exit", "go")
    assert [before.ending.outcome, crash.ending.outcome, after.ending.outcome] == [
        Outcome.SUCCEEDED,
        Outcome.CRASHED,
        Outcome.SUCCEEDED,
    ]
    assert before.ending.result != after.ending.result, "the same process"


def test_a_segfault_names_its_signal(pool: Pool) -> None:
    (finished,) = pool.run("bad.segfault", None)
    assert finished.ending.error is not None
    assert (finished.ending.outcome, finished.ending.error.type) == (Outcome.CRASHED, "SIGSEGV")
    assert is_whole(pool)


def test_a_flood_of_output_neither_blocks_nor_fills_the_log(pool: Pool, pool_lines: Lines) -> None:
    (finished,) = pool.run("bad.print", 20_000)
    assert finished.ending.result == b'"printed"'
    assert len(pool_lines.of("output")) == 100
    assert pool_lines.of("output_cut")


def test_what_handlers_print_and_log_becomes_log_lines(pool: Pool, pool_lines: Lines) -> None:
    pool.run("ok.log", None)
    assert [line["line"] for line in pool_lines.of("output")] == ["a line"]
    (record,) = pool_lines.of("handler_log")
    assert (record["message"], record["rows"]) == ("a record", "3")


@pytest.mark.parametrize("handler", ["bad.sleep", "bad.stubborn"])
def test_a_task_that_takes_too_long_is_ended(pool: Pool, handler: str) -> None:
    slow, *rest = pool.run(handler, None, timeout=0.2, kill_grace_seconds=0.1)
    assert slow.ending.outcome is Outcome.TIMED_OUT
    assert not rest
    assert is_whole(pool)


def test_a_process_left_behind_by_a_task_is_killed(pool: Pool) -> None:
    for handler in ("bad.fork", "bad.popen"):
        (finished,) = pool.run(handler, None)
        assert is_gone(int(finished.ending.result or b"0")), handler
    assert is_whole(pool)


def test_a_copy_that_returns_from_the_handler_reports_nothing(pool: Pool) -> None:
    (finished,) = pool.run("bad.fork_returns", None)
    assert finished.ending.result == b'"original"'
    assert is_whole(pool)


def test_a_crash_is_seen_though_a_copy_holds_the_socket_open(pool: Pool, tmp_path: Path) -> None:
    noted = tmp_path / "pid"
    (finished,) = pool.run("bad.fork_exit", str(noted))
    assert finished.ending.error is not None
    assert finished.ending.error.exit_code == 4
    assert is_gone(int(noted.read_text()))


@pytest.mark.parametrize("handler", ["bad.close", "bad.scribble"])
def test_a_handler_that_breaks_its_socket_is_ended(pool: Pool, handler: str) -> None:
    (finished,) = pool.run(handler, None, timeout=5)
    assert finished.ending.outcome is Outcome.CRASHED
    assert finished.ending.error is not None
    assert finished.ending.error.type == "PipeBroken"
    assert is_whole(pool)


@pytest.mark.parametrize("handler", ["bad.leak", "bad.allocate"])
def test_a_task_that_takes_too_much_memory_is_ended(log: Log, tmp_path: Path, handler: str) -> None:
    limit = 150 * MEBIBYTE
    pool = make_pool(log, tmp_path, memory_bytes=limit)
    (finished,) = pool.run(handler, None, memory_bytes=limit)
    assert finished.ending.outcome is Outcome.OUT_OF_MEMORY
    assert is_whole(pool)
    pool.children.close()


def test_scratch_is_removed_after_the_run(pool: Pool) -> None:
    (finished,) = pool.run("ok.scratch", None)
    assert not Path((finished.ending.result or b"").decode().strip('"')).exists()


def when_begun(path: Path, action: Callable[[], None]) -> None:
    """Act, in another thread as the worker does, once the task of input `path` has begun."""

    def watch() -> None:
        poll(lambda: Path(f"{path}.begun").exists())
        action()

    threading.Thread(target=watch, daemon=True).start()


def test_a_batch_that_is_cancelled_before_it_begins_is_dropped(pool: Pool) -> None:
    orders = Orders()
    orders.cancel()
    assert list(pool.events("ok.patient", 1, 2, orders=orders)) == [Dropped([0, 1])]


@pytest.mark.parametrize("handler", ["ok.patient", "bad.stubborn"])
def test_a_cancel_ends_the_running_task_and_drops_the_rest(
    pool: Pool, tmp_path: Path, handler: str
) -> None:
    orders = Orders()
    when_begun(tmp_path / "x", orders.cancel)
    limits = {"cancel_grace_seconds": 0.05 if handler == "bad.stubborn" else 30}
    events = pool.events(
        handler, str(tmp_path / "x"), 2, orders=orders, kill_grace_seconds=0.05, **limits
    )
    dropped, finished = events
    assert dropped == Dropped([1])
    assert isinstance(finished, Finished)
    assert finished.ending.outcome is Outcome.CANCELLED
    assert is_whole(pool)


def test_a_drain_returns_the_unstarted_and_lets_the_running_one_end(
    pool: Pool, tmp_path: Path
) -> None:
    orders, gate = Orders(), tmp_path / "gate"
    when_begun(gate, lambda: orders.drain(interrupt=False))
    events = pool.events("ok.wait", str(gate), 1, 2, orders=orders)
    assert next(events) == Returned([1, 2], [], split=False)
    gate.touch()
    (finished,) = events
    assert isinstance(finished, Finished)
    assert finished.ending.result == b'"waited"'


def test_an_interrupted_task_goes_back(pool: Pool, tmp_path: Path) -> None:
    orders = Orders()
    when_begun(tmp_path / "x", lambda: orders.drain(interrupt=True))
    events = list(pool.events("bad.sleep", str(tmp_path / "x"), 2, orders=orders))
    assert events == [Returned([1], [], split=False), Returned([0], [0], split=False)]
    assert is_whole(pool)


def test_a_lost_lease_ends_the_task_without_a_result(pool: Pool, tmp_path: Path) -> None:
    orders = Orders()
    when_begun(tmp_path / "x", orders.lose)
    events = list(pool.events("bad.stubborn", str(tmp_path / "x"), 2, orders=orders))
    assert events == [Lost([0, 1])]
    assert is_whole(pool)


def test_a_child_that_died_while_idle_is_replaced(pool: Pool) -> None:
    (finished,) = pool.run("bad.exit_second", 1)
    os.kill(int(finished.ending.result or b"0"), 9)
    poll(lambda: is_gone(int(finished.ending.result or b"0")))
    assert is_whole(pool)


def test_children_do_not_outlive_a_worker_that_is_killed(tmp_path: Path) -> None:
    code = (
        "import time; from pathlib import Path\n"
        "from tests.unit.worker.conftest import make_pool; from worker.log import Log\n"
        f"pool = make_pool(Log(), Path({str(tmp_path)!r}))\n"
        "print(pool.children.greeted().pid, flush=True); time.sleep(60)"
    )
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    worker = subprocess.Popen([sys.executable, "-c", code], env=env, stdout=subprocess.PIPE)
    assert worker.stdout is not None
    child = int(worker.stdout.readline())
    assert not is_gone(child)
    worker.kill()
    worker.wait()
    worker.stdout.close()
    poll(lambda: is_gone(child))
