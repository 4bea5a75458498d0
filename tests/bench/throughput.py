"""No-op tasks from submit to SUCCEEDED with durable results, and the AWS requests that they cost."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from local import api, job_client
from local.errors import LocalError
from local.stack import Running, Stack
from orchestrator.model.ids import MAX_TASKS
from tests.bench import counts, cpu, floor, machine

TASKS = "10000"
GOAL_TASKS_PER_SECOND = 500
SEED_TASKS_PER_MINUTE = 1_000
TASKS_PER_MESSAGE = 5
WARM_TASKS = 4_000
"""As many calls at once as in what is measured, refills among them: each takes a process of its own."""
GOALS = {
    "SQS requests": 0.15,
    "DynamoDB write units": 1.3,
    "API Gateway calls": 0.03,
    "Lambda calls": 0.03,
    "Step Functions transitions": 0.002,
}
"""A task, at most: below a dollar a million at list prices (docs/cost.md)."""
FLOOR_MIN_MESSAGES = 100
"""What the floor's ten receives take."""
_PATIENCE_SECONDS, _WORST_TASKS_PER_SECOND = 600, 50
_POLL_SECONDS, _POLL_MAX_SECONDS = 0.1, 2.0
_SHOWN_SECONDS = 0.01
_SETTLE_SECONDS = 2
"""Until the last deletes and the log lines of a run have come."""


@dataclass(frozen=True, slots=True)
class Run:
    """A job that has ended. `seconds`: from before its submit to the sight of its end; moments of the epoch."""

    job: dict[str, Any]
    seconds: float
    begun: float

    @property
    def tasks(self) -> int:
        """Return the job's total."""
        return int(self.job["total"])

    @property
    def per_second(self) -> float:
        """Return tasks a second."""
        return self.tasks / self.seconds

    @property
    def ended(self) -> float:
        """Return when its end was seen."""
        return self.begun + self.seconds


def run(stack: Stack, tasks: int) -> Run:
    """Run one job to its end. Raises LocalError where it does not succeed within a bounded time.

    The larger the job, the rarer the look at it: at most one in 2,000 tasks at 1,000 a second.
    """
    begun_at, begun = time.time(), time.perf_counter()
    body = {"name": "bench", "handler": "bench.noop", "tasks": {"count": tasks}}
    job_id = job_client.submit(stack, body, f"bench-{tasks}-{begun}")
    patience = _PATIENCE_SECONDS + tasks / _WORST_TASKS_PER_SECOND
    pause = min(_POLL_MAX_SECONDS, max(_POLL_SECONDS, tasks / 200_000))
    while (taken := time.perf_counter() - begun) < patience:
        job = api.call("GET", f"{stack.api_url}/api/v1/jobs/{job_id}", stack.api_key).json()
        if job["state"] in job_client.FINAL:
            if job["state"] != "SUCCEEDED":
                raise LocalError(f"{job_id} ended {job['state']}: {job.get('state_reason')}")
            return Run(job, time.perf_counter() - begun, begun_at)
        time.sleep(pause)
    raise LocalError(f"{job_id} did not end within {taken:.0f} s: {job['counts']}")


def warm(stack: Stack) -> None:
    """Start what runs in a service that is in use: functions' processes, as many as there are calls at once."""
    run(stack, WARM_TASKS)
    time.sleep(_SETTLE_SECONDS)


def run_small(stack: Stack) -> str:
    """Run a small job; return its id."""
    return str(run(stack, 200).job["job_id"])


def rate(stack: Stack, tasks: int) -> float:
    """Return tasks a second of one job."""
    return run(stack, tasks).per_second


@dataclass(frozen=True, slots=True)
class Measured:
    """A run, with what it asked of AWS."""

    run: Run
    used: counts.Requests
    history: machine.History

    def per_task(self) -> dict[str, float]:
        """Return the counted figures a task, by the names of GOALS.

        Reading the job meanwhile is the bench's own doing and no part of it. Lambda: one for each call of the
        API, those that the product invokes by itself, and those of the machine.
        """
        services, tasks = self.used.by_service(), self.run.tasks
        calls = services["apigateway"] + 1  # The submit is sent from here, past the hook.
        functions = calls + services["lambda"] + self.history.calls
        figures = (
            services["sqs"],
            self.used.write_units,
            calls,
            functions,
            self.history.transitions,
        )
        return {name: figure / tasks for name, figure in zip(GOALS, figures, strict=True)}


def measured(stack: Stack, folder: Path, tasks: int) -> Measured:
    """Run a job and count its requests."""
    before = counts.read(folder)
    done = run(stack, tasks)
    time.sleep(_SETTLE_SECONDS)
    used = counts.since(counts.read(folder), before)
    return Measured(done, used, machine.history(stack, done.job))


def _phase(job: Mapping[str, Any], first: str, last: str) -> float:
    begun, ended = (datetime.fromisoformat(job[name]) for name in (first, last))
    return (ended - begun).total_seconds()


def one_size(text: str) -> int:
    """Return the number of tasks that TASKS says. Raises LocalError where it is none."""
    if not text.isdecimal() or not 0 < int(text) <= MAX_TASKS:
        raise LocalError(f"TASKS={text!r}: give a number of tasks, 1 to {MAX_TASKS:,}.")
    return int(text)


def sizes(text: str) -> list[int]:
    """Return the sizes of BENCH_TASKS. Raises LocalError for what is no number of tasks."""
    words = text.split()
    if not words or not all(word.isdecimal() and 0 < int(word) <= 1_000_000 for word in words):
        raise LocalError(
            f'BENCH_TASKS={text!r}: give numbers of tasks, 1 to 1,000,000: "10000 100000".'
        )
    return [int(word) for word in words]


def measure(running: Running, folder: Path) -> None:
    """Print by size: tasks a second, success rate, time by phase, requests and CPU a task, the floor."""
    warm(running.stack)
    for tasks in sizes(os.environ.get("BENCH_TASKS") or TASKS):
        _measure_size(running, folder, tasks)


def _measure_size(running: Running, folder: Path, tasks: int) -> None:
    before = cpu.read(running)
    found = measured(running.stack, folder, tasks)
    used = cpu.since(cpu.read(running), before)
    job, rate = found.run.job, found.run.per_second
    print(f"\n{tasks:,} no-op tasks, 2 workers, submit to SUCCEEDED with durable results")
    print(f"  throughput          {rate:9.1f} tasks/s  (goal {GOAL_TASKS_PER_SECOND})")
    claimed = f"(claimed {SEED_TASKS_PER_MINUTE:,})"
    print(f"  claim of the seed   {rate * 60:9.0f} tasks/minute  {claimed}")
    share = 100 * job["counts"]["succeeded"] / tasks
    print(f"  success rate        {share:9.3f} %  (claimed 99.9)")
    planned, worked = (
        _phase(job, "created_at", "started_at"),
        _phase(job, "started_at", "finished_at"),
    )
    print(
        f"  phases              plan and enqueue {planned:.1f} s, process and finish {worked:.1f} s"
    )
    for state, seconds in found.history.seconds.items():
        if seconds >= _SHOWN_SECONDS:
            print(f"    {state:<18}{seconds:9.2f} s")
    print_requests(found)
    cpu.print_per_task(used, tasks)
    messages = max(FLOOR_MIN_MESSAGES, min(tasks, 10_000) // TASKS_PER_MESSAGE // 5)
    own = floor.per_task(running.stack.endpoint_url, messages)
    emulator = 1000 * (own["message"] / TASKS_PER_MESSAGE + own["row"])
    all_of_it = f"{1000 / rate:.2f}"
    print(f"  emulator's floor    {emulator:9.2f} ms/task: queue and row alone, of {all_of_it}")


def print_requests(found: Measured) -> None:
    """Print the figures that have a goal, then all requests a task."""
    used, tasks = found.used, found.run.tasks
    print("  a task, with the goal at most:")
    for name, figure in found.per_task().items():
        print(f"    {name:<28}{figure:9.4f}  {GOALS[name]}")
    print("  requests a task, counted where they are sent:")
    for service, number in sorted(used.by_service().items()):
        print(f"    {service:<16}{number / tasks:9.4f}")
    for (service, operation), number in used.calls.most_common(12):
        print(f"      {service}.{operation:<28}{number / tasks:9.4f}")
