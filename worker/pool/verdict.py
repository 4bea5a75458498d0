"""Why a child died, as the ending of the task that ran in it."""

from __future__ import annotations

import signal

from orchestrator.model.states import Outcome
from worker.ending import Ending, failed


def timed_out(seconds: float) -> Ending:
    """The task ran longer than its time-out."""
    return failed(Outcome.TIMED_OUT, "TimedOut", f"the task ran longer than {seconds:g} s")


def out_of_memory(used: int, limit: int) -> Ending:
    """The task's processes held more memory than a slot has."""
    mebibyte = 1024 * 1024
    return failed(
        Outcome.OUT_OF_MEMORY,
        "OutOfMemory",
        f"the task used {used // mebibyte} MiB, the limit is {limit // mebibyte} MiB",
    )


def killed_for_memory() -> Ending:
    """The kernel killed the process, since the container had no memory left."""
    return failed(
        Outcome.OUT_OF_MEMORY,
        "OutOfMemory",
        "the container ran out of memory, and the kernel killed this task's process",
    )


def cancelled(grace_seconds: float) -> Ending:
    """The job was stopped, and the handler did not heed it."""
    return failed(
        Outcome.CANCELLED,
        "Cancelled",
        f"the job was stopped and the handler did not end within {grace_seconds:g} s",
    )


def crashed(code: int) -> Ending:
    """The process ended by itself: with an exit code, or (negative) by a signal."""
    if code >= 0:
        return failed(
            Outcome.CRASHED,
            "ProcessExited",
            f"the handler ended its process with exit code {code}",
            exit_code=code,
        )
    name = signal.Signals(-code).name if -code in set(signal.Signals) else str(-code)
    return failed(Outcome.CRASHED, name, f"the process was killed by {name}", exit_code=code)


def broke_the_pipe() -> Ending:
    """The handler closed, or wrote to, the socket between the child and the worker."""
    return failed(
        Outcome.CRASHED, "PipeBroken", "the handler broke the connection between it and the worker"
    )
