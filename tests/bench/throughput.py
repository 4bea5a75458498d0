"""No-op tasks from submit to SUCCEEDED with durable results, and the AWS requests that they cost."""

from __future__ import annotations

import time
from datetime import datetime
from pathlib import Path
from typing import Any

from local import api, job_client
from local.stack import Stack
from tests.bench import counts, floor

TASKS = 10_000
GOAL_TASKS_PER_SECOND = 200
SEED_TASKS_PER_MINUTE = 1_000
TASKS_PER_MESSAGE = 5
_PATIENCE_SECONDS = 600


def _run(stack: Stack, tasks: int) -> tuple[dict[str, Any], float]:
    """Run one job; return it and the seconds from before its submit to the sight of its end."""
    begun = time.perf_counter()
    body = {"name": "bench", "handler": "bench.noop", "tasks": {"count": tasks}}
    job_id = job_client.submit(stack, body, f"bench-{tasks}-{begun}")
    while time.perf_counter() - begun < _PATIENCE_SECONDS:
        job = api.call("GET", f"{stack.api_url}/api/v1/jobs/{job_id}", stack.api_key).json()
        if job["state"] in job_client.FINAL:
            return job, time.perf_counter() - begun
        time.sleep(0.1)
    raise TimeoutError(f"{job_id} did not end within {_PATIENCE_SECONDS} s")


def run_small(stack: Stack) -> str:
    """Run a small job; return its id."""
    job, _ = _run(stack, 200)
    return str(job["job_id"])


def rate(stack: Stack, tasks: int) -> float:
    """Return tasks a second of one job."""
    job, taken = _run(stack, tasks)
    if job["state"] != "SUCCEEDED":
        raise RuntimeError(f"the job ended {job['state']}")
    return tasks / taken


def _phase(job: dict[str, Any], first: str, last: str) -> float:
    moments = (datetime.fromisoformat(job[name]) for name in (first, last))
    begun, ended = moments
    return (ended - begun).total_seconds()


def measure(stack: Stack, folder: Path, tasks: int = TASKS) -> None:
    """Print tasks a second, the success rate, requests a task by service, time by phase, the floor."""
    run_small(stack)  # Warm functions, as they are in a service that is in use.
    time.sleep(2)
    before = counts.read(folder)
    job, taken = _run(stack, tasks)
    time.sleep(2)
    used = counts.since(counts.read(folder), before)
    rate, succeeded = tasks / taken, job["counts"]["succeeded"]
    print(f"\n{tasks:,} no-op tasks, 2 workers, submit to SUCCEEDED with durable results")
    print(f"  throughput          {rate:9.1f} tasks/s  (goal {GOAL_TASKS_PER_SECOND})")
    print(
        f"  claim of the seed   {rate * 60:9.0f} tasks/minute  (claimed {SEED_TASKS_PER_MINUTE:,})"
    )
    print(f"  success rate        {100 * succeeded / tasks:9.3f} %  (claimed 99.9)")
    print(
        f"  phases              plan and enqueue {_phase(job, 'created_at', 'started_at'):.1f} s,",
        end="",
    )
    print(f" process and finish {_phase(job, 'started_at', 'finished_at'):.1f} s")
    _print_requests(used, tasks)
    own = floor.per_task(stack.endpoint_url, TASKS // TASKS_PER_MESSAGE // 5)
    share = own["message"] / TASKS_PER_MESSAGE + own["row"]
    print(
        f"  emulator's floor    {1000 * share:9.2f} ms/task: queue and row alone, of {1000 / rate:.2f}"
    )


def _print_requests(used: counts.Requests, tasks: int) -> None:
    print("  AWS requests a task, counted where botocore sends:")
    for service, number in sorted(used.by_service().items()):
        print(f"    {service:<16}{number / tasks:9.4f}")
    units = sum(n for operation, n in used.units.items() if operation in counts.WRITES)
    print(f"    write units     {units / tasks:9.4f}")
    for (service, operation), number in used.calls.most_common(12):
        print(f"      {service}.{operation:<28}{number / tasks:9.4f}")
