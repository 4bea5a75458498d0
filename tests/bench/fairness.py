"""How long a ten-task job of one tenant waits while another's large job has all slots, in task durations.

Each case is run in the express lane and, for comparison, in the one queue: a job that asks for several
tasks a message is never express.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from local import api, job_client
from local.errors import LocalError
from local.stack import Stack
from tests.bench import machine

TASKS = 10
_ORDINARY = {"tasks_per_message": 2}
_PATIENCE_SECONDS = 300.0
_POLL_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class Case:
    """Tasks of one length: how long each takes, and how many another tenant has."""

    name: str
    seconds: float
    backlog: int

    @property
    def tasks(self) -> dict[str, object]:
        """Return the small job's tasks."""
        return _sleeps(self.seconds, TASKS)


CASES = (Case("short", 0.1, 2_000), Case("long", 3.0, 60))


def _sleeps(seconds: float, count: int) -> dict[str, object]:
    return {"items": [{"seconds": seconds}] * count}


def measure(stack: Stack, workers: int) -> None:
    """Print what ten tasks of a tenant wait for, with and without the express lane."""
    key = api.mint_key(stack.api_url, "fairness", tenant="small")
    slots = _until("the workers", lambda: _slots(stack, workers))
    _run_small(stack, key, Case("warm", 0.0, 0), {})
    print(
        f"\nTen tasks of one tenant beside another's, {workers} workers with {slots} slots in all,"
    )
    print("in task durations from their last send on")
    print(f"  {'':<30}{'first began':>12}{'last ended':>12}{'alone':>8}{'delay':>8}")
    for case in CASES:
        _, alone = _run_small(stack, key, case, {})
        for lane, fields in (("express lane", {}), ("one queue", _ORDINARY)):
            with _busy(stack, case, slots - workers):
                began, ended = _run_small(stack, key, case, fields)
            name = f"{case.name} ({case.seconds} s), {lane}"
            seconds = ((began, 12), (ended, 12), (alone, 8), (ended - alone, 8))
            print(f"  {name:<30}" + "".join(f"{s / case.seconds:{w}.1f}" for s, w in seconds))


@contextmanager
def _busy(stack: Stack, case: Case, slots: int) -> Iterator[None]:
    """Have a large job of another tenant run meanwhile; it is cancelled in the end."""
    tasks = _sleeps(case.seconds, case.backlog)
    job_id = _submit(stack, stack.api_key, "large", tasks, _ORDINARY)
    _until(
        "large tasks to run",
        lambda: _counts(stack, job_id)["running"] >= slots or _counts(stack, job_id)["succeeded"],
    )
    try:
        yield
    finally:
        # A job that has ended meanwhile cannot be cancelled.
        url = f"{stack.api_url}/api/v1/jobs/{job_id}/cancel"
        api.send("POST", url, headers={"Authorization": f"Bearer {stack.api_key}"})
        _until("the end", lambda: _job(stack, stack.api_key, job_id)["state"] in job_client.FINAL)


def _run_small(
    stack: Stack, key: str, case: Case, fields: Mapping[str, object]
) -> tuple[float, float]:
    """Run the small job; return the seconds from its last send to its first begin and to its last end."""
    job_id = _submit(stack, key, "small", case.tasks, fields)
    _until(f"{job_id} to succeed", lambda: _job(stack, key, job_id)["state"] == "SUCCEEDED")
    answer = api.call("GET", f"{stack.api_url}/api/v1/jobs/{job_id}/tasks?limit=100", key)
    tasks = answer.json()["tasks"]
    began = min(datetime.fromisoformat(task["started_at"]) for task in tasks)
    ended = max(datetime.fromisoformat(task["finished_at"]) for task in tasks)
    sent = _until(
        "the log", lambda: machine.moment_of(stack, "enqueue_tasks", "tasks.enqueued", job_id)
    )
    return (began - sent).total_seconds(), (ended - sent).total_seconds()


def _submit(
    stack: Stack, key: str, name: str, tasks: Mapping[str, object], fields: Mapping[str, object]
) -> str:
    body = {"name": name, "handler": "sleep", "tasks": tasks, **fields}
    return str(api.call("POST", f"{stack.api_url}/api/v1/jobs", key, body).json()["job_id"])


def _job(stack: Stack, key: str, job_id: str) -> Any:
    return api.call("GET", f"{stack.api_url}/api/v1/jobs/{job_id}", key).json()


def _counts(stack: Stack, job_id: str) -> Any:
    return _job(stack, stack.api_key, job_id)["counts"]


def _slots(stack: Stack, workers: int) -> int:
    """Return the slots of all workers once each has told of itself, 0 before."""
    found = api.call("GET", f"{stack.api_url}/api/v1/workers", stack.api_key).json()["workers"]
    return sum(worker["slots"] for worker in found) if len(found) == workers else 0


def _until[T](name: str, what: Callable[[], T | None]) -> T:
    """Ask until the answer is true. Raises LocalError, with its name, when that takes too long."""
    give_up = time.monotonic() + _PATIENCE_SECONDS
    while not (found := what()):
        if time.monotonic() > give_up:
            raise LocalError(f"the fairness bench waited too long for {name}")
        time.sleep(_POLL_SECONDS)
    return found
