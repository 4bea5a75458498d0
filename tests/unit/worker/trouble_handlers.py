"""Handlers that do to their process, and to others, whatever a handler may do; `KINDS` by name."""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from worker import Context, Json, PermanentError, Task, handler

type Kind = Callable[[Task, Context], Json]
KINDS: dict[str, Kind] = {}
HUNDRED_MB = 100_000_000


@handler("trouble")
def trouble(task: Task, context: Context) -> Json:
    """Do what the input names, `kind` or `kind:argument`."""
    return KINDS[str(task.input).partition(":")[0]](task, context)


def kind(function: Kind) -> Kind:
    KINDS[function.__name__] = function
    return function


def argument(task: Task) -> str:
    return str(task.input).partition(":")[2]


# ---- ends of the process


@kind
def kills_itself(task: Task, context: Context) -> None:
    os.kill(os.getpid(), int(argument(task)))
    time.sleep(60)


@kind
def kills_its_group(task: Task, context: Context) -> None:
    os.killpg(0, signal.SIGKILL)


@kind
def aborts(task: Task, context: Context) -> None:
    os.abort()


@kind
def exits_from_a_thread(task: Task, context: Context) -> None:
    threading.Thread(target=os._exit, args=(5,)).start()
    time.sleep(60)


@kind
def becomes_another_program(task: Task, context: Context) -> None:
    os.execv("/bin/sh", ["sh", "-c", "exit 6"])


@kind
def is_killed_for_memory(task: Task, context: Context) -> None:
    """As the kernel does it: count in the cgroup's file, then kill."""
    Path(argument(task)).write_text("low 0\noom 1\noom_kill 1\n")
    os.kill(os.getpid(), signal.SIGKILL)


@kind
def exits_in_python(task: Task, context: Context) -> None:
    raise SystemExit({"true": True, "text": "a message", "none": None}[argument(task)])


class _Text(str):
    def __len__(self) -> int:
        raise RuntimeError("no length")


def _caused() -> BaseException:
    error = ValueError("no")
    error.__cause__ = error.__context__ = error
    return error


ODD: dict[str, Callable[[], BaseException]] = {
    "a file name": lambda: FileNotFoundError(2, "No such file", os.fsdecode(b"caf\xe9.csv")),
    "a null": lambda: ValueError("\0"),
    "a long text": lambda: ValueError("x" * HUNDRED_MB),
    "a long name": lambda: type("E" * 10_000, (Exception,), {})("no"),
    "an odd name": lambda: type("\ud800", (Exception,), {})("no"),
    "a true exit": lambda: SystemExit(True),
    "a huge exit": lambda: SystemExit(10**18),
    "a group": lambda: BaseExceptionGroup("two", [KeyboardInterrupt(), ValueError("no")]),
    "an odd type": lambda: PermanentError("no", type="\udcff"),
    "a cause": _caused,
    "a subclass of text": lambda: ValueError(_Text("no")),
}


@kind
def raises(task: Task, context: Context) -> None:
    raise ODD[argument(task)]()


# ---- no end by itself


@kind
def waits_in_c_with_the_lock_held(task: Task, context: Context) -> None:
    ctypes.PyDLL(None).pause()


@kind
def catches_signals_and_waits_in_c(task: Task, context: Context) -> None:
    signal.signal(signal.SIGTERM, lambda *_: None)
    while True:
        ctypes.PyDLL(None).pause()


@kind
def blocks_all_signals(task: Task, context: Context) -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    time.sleep(60)


@kind
def stops_itself(task: Task, context: Context) -> None:
    os.kill(os.getpid(), signal.SIGSTOP)


@kind
def swallows_every_exception(task: Task, context: Context) -> None:
    while True:
        try:
            time.sleep(60)
        except BaseException:
            continue


@kind
def computes(task: Task, context: Context) -> None:
    while True:
        pass


@kind
def prints_without_end(task: Task, context: Context) -> None:
    while True:
        print("x" * 10_000)  # noqa: T201


@kind
def logs_without_end(task: Task, context: Context) -> None:
    while True:
        context.logger.info("x" * 10_000)


# ---- processes left behind


_DAEMON = """
import os, time
if os.fork():
    os._exit(0)
print(os.getpid(), flush=True)
os.close(1)
time.sleep(60)
"""


def daemon(env: dict[str, str] | None) -> int:
    """Start a daemon: forked twice, in a session of its own; return its process id."""
    started = subprocess.run(
        [sys.executable, "-S", "-c", _DAEMON],
        env=env,
        stdout=subprocess.PIPE,
        start_new_session=True,
        check=True,
    )
    return int(started.stdout)


@kind
def leaves_a_daemon(task: Task, context: Context) -> int:
    return daemon(None)


@kind
def leaves_a_daemon_of_another_environment(task: Task, context: Context) -> int:
    return daemon({"PATH": "/bin"})


@kind
def leaves_a_daemon_and_dies(task: Task, context: Context) -> None:
    Path(argument(task)).write_text(str(daemon({"PATH": "/bin"})))
    os._exit(8)


@kind
def leaves_a_daemon_and_waits(task: Task, context: Context) -> None:
    Path(argument(task)).write_text(str(daemon({"PATH": "/bin"})))
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    time.sleep(60)


@kind
def leaves_twenty_processes(task: Task, context: Context) -> None:
    for _ in range(20):
        subprocess.Popen(["/bin/sleep", "60"])


@kind
def leaks_in_a_child(task: Task, context: Context) -> None:
    code = "x=[]\nimport time\nwhile True: x.append(bytearray(1 << 20)); time.sleep(0.001)"
    subprocess.run([sys.executable, "-S", "-c", code], check=True)


# ---- output


@kind
def prints_lines(task: Task, context: Context) -> None:
    stream = {"stdout": sys.stdout, "stderr": sys.stderr}[argument(task)]
    line = "x" * 9_999 + "\n"
    for _ in range(HUNDRED_MB // len(line)):
        stream.write(line)


@kind
def prints_one_line(task: Task, context: Context) -> None:
    sys.stdout.write("x" * HUNDRED_MB)


@kind
def writes_to_a_file_descriptor(task: Task, context: Context) -> None:
    chunk = b"\xff" * 100_000
    for _ in range(HUNDRED_MB // len(chunk)):
        os.write(int(argument(task)), chunk)


@kind
def writes_from_c(task: Task, context: Context) -> None:
    libc, chunk = ctypes.CDLL(None), b"c\n" * 50_000
    for _ in range(HUNDRED_MB // len(chunk)):
        libc.write(int(argument(task)), chunk, len(chunk))


@kind
def logs_much(task: Task, context: Context) -> None:
    for _ in range(HUNDRED_MB // 10_000):
        context.logger.info("x" * 10_000)


# ---- what stays of a task in its process


@kind
def closes_its_streams(task: Task, context: Context) -> int:
    for fd in (0, 1, 2):
        os.close(fd)
    return os.getpid()


@kind
def redirects_its_output(task: Task, context: Context) -> int:
    target = os.open("/dev/null", os.O_WRONLY)
    os.dup2(target, 1)
    return os.getpid()


@kind
def waits_without_streams(task: Task, context: Context) -> None:
    os.closerange(0, 3)
    context.progress(0.5)
    time.sleep(0.3)


@kind
def changes_folder(task: Task, context: Context) -> None:
    os.chdir(context.scratch)


@kind
def changes_the_mask(task: Task, context: Context) -> None:
    os.umask(0o777)


@kind
def changes_signals(task: Task, context: Context) -> None:
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD, signal.SIGPIPE, signal.SIGUSR1):
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGUSR2})


@kind
def sets_an_alarm(task: Task, context: Context) -> None:
    signal.setitimer(signal.ITIMER_REAL, 0.2)


@kind
def lowers_a_soft_limit(task: Task, context: Context) -> None:
    resource.setrlimit(resource.RLIMIT_NOFILE, (5, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))


@kind
def lowers_a_hard_limit(task: Task, context: Context) -> int:
    resource.setrlimit(resource.RLIMIT_NOFILE, (50, 50))
    return os.getpid()


@kind
def leaves_threads(task: Task, context: Context) -> int:
    for number in range(int(argument(task))):
        threading.Thread(target=time.sleep, args=(60,), daemon=bool(number % 2)).start()
    return os.getpid()


@kind
def leaves_a_thread_that_talks(task: Task, context: Context) -> None:
    def talk() -> None:
        while not context.cancelled:
            context.progress(0.9)
            context.logger.info("still here")
        while True:
            context.progress(0.9)
            context.logger.info("still here")
            context.is_cancelled()
            time.sleep(0.001)

    threading.Thread(target=talk, daemon=True).start()


@kind
def tells_its_condition(task: Task, context: Context) -> Json:
    mask = os.umask(0o022)
    os.umask(mask)
    signals = (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD, signal.SIGPIPE, signal.SIGUSR1)
    return {
        "folder": os.getcwd(),
        "mask": mask,
        "signals": [str(signal.getsignal(number)) for number in signals],
        "blocked": str(signal.pthread_sigmask(signal.SIG_BLOCK, ())),
        "alarm": signal.getitimer(signal.ITIMER_REAL)[0],
        "limits": str(resource.getrlimit(resource.RLIMIT_NOFILE)),
    }


@kind
def sleeps_a_little(task: Task, context: Context) -> int:
    time.sleep(0.3)
    print("a line")  # noqa: T201
    return os.getpid()
