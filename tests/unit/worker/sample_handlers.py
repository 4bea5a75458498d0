"""Handlers of the tests: well-behaved ones, and every kind of trouble."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from pydantic import BaseModel

from worker import Context, Draining, Json, PermanentError, Task, handler


class Sum(BaseModel):
    """An input with types."""

    a: int
    b: int


@handler("ok.echo")
def echo(task: Task, context: Context) -> Json:
    return task.input


@handler("ok.sum", input=Sum)
def add(task: Task[Sum], context: Context) -> int:
    return task.input.a + task.input.b


@handler("ok.large")
def large(task: Task, context: Context) -> str:
    return "x" * 2000


def begin(task: Task, context: Context) -> None:
    """Let the test see that the task has begun: by its progress, and by a file beside its input."""
    context.progress(0.5)
    if isinstance(task.input, str):
        Path(f"{task.input}.begun").touch()


@handler("ok.wait")
def wait(task: Task, context: Context) -> str:
    """Wait until the file that the input names exists."""
    begin(task, context)
    while not Path(str(task.input)).exists():
        time.sleep(0.005)
    return "waited"


@handler("ok.note")
def note(task: Task, context: Context) -> None:
    """Write down that the task has begun, in one order with the others; wait for a gate, if one is named."""
    into, *gate = str(task.input).split("|")
    with Path(into).open("a") as file:
        file.write(f"{task.index}\n")
    context.progress(0.5)
    while gate and not Path(gate[0]).exists():
        time.sleep(0.005)


@handler("ok.patient")
def patient(task: Task, context: Context) -> None:
    """Run until cancelled."""
    begin(task, context)
    while True:
        context.raise_if_cancelled()
        time.sleep(0.005)


@handler("ok.considerate")
def considerate(task: Task, context: Context) -> None:
    """Run until the worker drains, then go elsewhere."""
    context.raise_if_draining()
    begin(task, context)
    while not context.draining:
        time.sleep(0.005)
    context.raise_if_draining()


@handler("bad.pretends_to_drain")
def pretends_to_drain(task: Task, context: Context) -> None:
    """Ask to be run again for nothing."""
    raise Draining


@handler("ok.steps")
def steps(task: Task, context: Context) -> list[str]:
    """Save each step; in the first run, wait for the end of the worker after the second."""
    done = (context.checkpoint_data or b"").decode().split()
    for step in ("a", "b", "c")[len(done) :]:
        done.append(step)
        context.checkpoint(" ".join(done).encode())
        if len(done) == 2 and not Path(f"{task.input}.begun").exists():
            begin(task, context)
            time.sleep(60)
    return done


@handler("ok.log")
def log(task: Task, context: Context) -> None:
    context.logger.info("a %s", "record", extra={"rows": 3})
    print("a line")  # noqa: T201


@handler("ok.scratch")
def scratch(task: Task, context: Context) -> str:
    (context.scratch / "file").write_text("x")
    return str(context.scratch)


@handler("bad.permanent")
def permanent(task: Task, context: Context) -> None:
    raise PermanentError("the file is empty", type="EmptyFile")


class Unpicklable(Exception):
    """An exception that no pickle takes."""

    def __init__(self) -> None:
        super().__init__("cannot be pickled")
        self.function = lambda: None

    def __reduce__(self) -> str:
        raise TypeError("no pickle")


class Rude(BaseException):
    """Not even an Exception."""


class Mute(Exception):
    """An exception whose text cannot be had."""

    def __str__(self) -> str:
        raise RuntimeError("no text")


RAISED: dict[str, BaseException] = {
    "ValueError": ValueError("no"),
    "Unpicklable": Unpicklable(),
    "Rude": Rude("rude"),
    "Mute": Mute(),
    "KeyboardInterrupt": KeyboardInterrupt(),
    "SystemExit": SystemExit(3),
    "GeneratorExit": GeneratorExit(),
    "MemoryError": MemoryError("no memory"),
}


@handler("bad.raise")
def raises(task: Task, context: Context) -> None:
    raise RAISED[str(task.input)]


@handler("bad.recursion")
def recursion(task: Task, context: Context) -> None:
    recursion(task, context)


RESULTS: dict[str, object] = {
    "nan": float("nan"),
    "set": {1},
    "bytes": b"x",
    "object": object(),
    "surrogate": "\ud800",
    "huge": "x" * (17 * 1024 * 1024),
}


def nested(depth: int, inside: object) -> object:
    for _ in range(depth):
        inside = [inside]
    return inside


@handler("bad.result")
def result(task: Task, context: Context) -> object:
    if task.input == "circular":
        circular: list[object] = []
        circular.append(circular)
        return circular
    if str(task.input).startswith("deep"):
        # As text it is short, or longer than what travels in a report.
        return nested(101, "x" * 10_000 if task.input == "deep_and_large" else "]}")
    return RESULTS[str(task.input)]


@handler("bad.exit")
def exits(task: Task, context: Context) -> None:
    os._exit(int(str(task.input)))


@handler("bad.exit_second")
def exits_second(task: Task, context: Context) -> int:
    """End the process in the task whose input is "exit"."""
    if task.input == "exit":
        os._exit(7)
    return os.getpid()


@handler("bad.segfault")
def segfault(task: Task, context: Context) -> None:
    ctypes.string_at(0)


@handler("bad.print")
def prints(task: Task, context: Context) -> str:
    line = "x" * 999 + "\n"
    for _ in range(int(str(task.input))):
        sys.stdout.write(line)
    return "printed"


@handler("bad.sleep")
def sleeps(task: Task, context: Context) -> None:
    begin(task, context)
    time.sleep(60)


@handler("bad.stubborn")
def stubborn(task: Task, context: Context) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    begin(task, context)
    time.sleep(60)


@handler("bad.fork")
def forks(task: Task, context: Context) -> int:
    """Leave a process of another session behind."""
    pid = os.fork()
    if pid == 0:
        os.setsid()
        time.sleep(60)
        os._exit(0)
    return pid


@handler("bad.fork_returns")
def fork_returns(task: Task, context: Context) -> str:
    """The copy returns as if it were the handler's process."""
    return "copy" if os.fork() == 0 else "original"


@handler("bad.fork_exit")
def fork_exits(task: Task, context: Context) -> None:
    """Die while a process of another session holds the socket open."""
    pid = os.fork()
    if pid == 0:
        os.setsid()
        time.sleep(60)
        os._exit(0)
    Path(str(task.input)).write_text(str(pid))
    os._exit(4)


@handler("bad.popen")
def popen(task: Task, context: Context) -> int:
    return subprocess.Popen(["sleep", "60"], start_new_session=True).pid


@handler("bad.close")
def closes(task: Task, context: Context) -> None:
    """Close every file, the socket to the worker too."""
    os.closerange(3, 4096)
    time.sleep(60)


@handler("bad.scribble")
def scribbles(task: Task, context: Context) -> None:
    """Write to every file that is open."""
    for fd in range(3, 4096):
        try:
            os.write(fd, b"\xff" * 64)
        except OSError:
            continue
    time.sleep(60)


@handler("bad.leak")
def leaks(task: Task, context: Context) -> None:
    kept = []
    while True:
        kept.append(bytearray(1024 * 1024))
        time.sleep(0.001)


@handler("bad.allocate")
def allocates(task: Task, context: Context) -> int:
    return len(bytearray(1 << 40))
