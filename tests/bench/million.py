"""One job of a million no-op tasks (TASKS=n) beside one of 10,000: is a task as cheap in the large job?"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path

from local import api
from local.scope import Scope
from local.stack import Running, Stack
from tests.bench import counts, machine, memory, results
from tests.bench.throughput import Measured, measured, one_size, print_requests, run

TASKS, SMALL_TASKS, WARM_TASKS = 1_000_000, 10_000, 1_000
GOAL_RATIO = 1.2
GOAL_START_SECONDS = 3.0
GOAL_EVENTS = 10_000
GOAL_PAYLOAD_BYTES = 200_000
GOAL_CALL_SECONDS, GOAL_CALL_MB = 60.0, 512
GOAL_ANSWER_BYTES = 1_000_000
GOAL_GRID_BYTES = 300_000
GOAL_READ_UNITS = 2.0
_READS = 20
_IDLE_SECONDS = 2
_OCTETS = {"Accept": "application/octet-stream"}


def measure(running: Running, scope: Scope, folder: Path) -> None:
    """Run the small job, then the large one; print the figures of the large one beside their goals."""
    tasks, stack = one_size(os.environ.get("TASKS") or str(TASKS)), running.stack
    run(stack, WARM_TASKS)  # Else the small job pays for functions and children that start.
    print(
        f"\nA job of {min(SMALL_TASKS, tasks):,} no-op tasks, then one of {tasks:,}; 2 workers",
        flush=True,
    )
    before = _memory(running)
    small = measured(stack, folder, min(SMALL_TASKS, tasks))
    between = _memory(running)
    large = measured(stack, folder, tasks)
    after = _memory(running)
    _print_speed(stack, small, large)
    _print_memory(running, [before, between, after], [small.run.tasks, tasks])
    _print_machine(stack, large)
    _print_answers(stack, large, folder)
    _print_results(stack, large, scope.folder("results") / "results.jsonl")
    print_requests(large)


def _memory(running: Running) -> list[int]:
    """Return the bytes of each worker and of the emulator, in their order."""
    return [memory.resident_bytes(process) for process in running.processes]


def _line(name: str, figure: str, goal: str = "") -> None:
    print(f"  {name:<44}{figure:>14}{f'  (goal {goal})' if goal else ''}", flush=True)


def _print_speed(stack: Stack, small: Measured, large: Measured) -> None:
    first, second = small.run, large.run
    ratio = first.per_second / second.per_second
    _line("tasks a second", f"{second.per_second:,.1f}")
    _line(f"tasks a second of {first.tasks:,}", f"{first.per_second:,.1f}")
    _line("seconds a task, times the small job's", f"{ratio:.2f}", f"at most {GOAL_RATIO}")
    started = _first_started_after(stack, large)
    _line("first task starts after the submit", f"{started:.2f} s", f"{GOAL_START_SECONDS:.0f} s")


def _first_started_after(stack: Stack, large: Measured) -> float:
    """Return the seconds from before the submit to the start of the first task, as its worker counted back."""
    url = f"{stack.api_url}/api/v1/jobs/{large.run.job['job_id']}/tasks?limit=100"
    tasks = api.call("GET", url, stack.api_key).json()["tasks"]
    moments = [
        datetime.fromisoformat(attempt["started_at"]).timestamp()
        for task in tasks
        for attempt in task["attempts"]
    ]
    return min(moments) - large.run.begun


def _print_memory(running: Running, seen: Sequence[Sequence[int]], tasks: Sequence[int]) -> None:
    """Print what workers and emulator hold at the end, and their growth by 10,000 tasks in each job."""
    names = [f"worker {number}" for number in range(1, len(running.workers) + 1)]
    for position, name in enumerate([*names, "emulator (it keeps all data in memory)"]):
        if position >= len(seen[-1]):
            continue  # Somebody else runs the emulator.
        held = [figures[position] for figures in seen]
        _line(f"memory of {name}", f"{held[-1] / 1e6:,.1f} MB")
        grown = [(held[n + 1] - held[n]) / tasks[n] * 10_000 / 1e6 for n in range(2)]
        _line("  growth by 10,000 tasks: small, large job", f"{grown[0]:+.2f}, {grown[1]:+.2f}")


def _print_machine(stack: Stack, large: Measured) -> None:
    found, payload = large.history, f"{large.history.largest_payload_bytes:,} bytes"
    _line("events of the machine's history", f"{found.events:,}", f"below {GOAL_EVENTS:,}")
    _line("largest payload of a state", payload, f"{GOAL_PAYLOAD_BYTES:,}")
    calls = machine.longest_calls(stack, large.run.begun, time.time())
    for function, seconds in sorted(calls.items(), key=lambda item: -item[1]):
        peak = large.used.peaks[stack.functions[function]] / 1024
        goal = f"{GOAL_CALL_SECONDS:.0f} s, {GOAL_CALL_MB} MB"
        _line(f"longest call of {function}, peak memory", f"{seconds:.2f} s, {peak:.0f} MB", goal)


def _print_answers(stack: Stack, large: Measured, folder: Path) -> None:
    """Print the sizes of the answers about the job, and what reading it costs."""
    root = f"{stack.api_url}/api/v1/jobs/{large.run.job['job_id']}"
    before = counts.read(folder)
    for _ in range(_READS):
        api.call("GET", root, stack.api_key)
    time.sleep(_IDLE_SECONDS)
    reads = _read_units(counts.since(counts.read(folder), before)) / _READS
    _line("read units of GET job", f"{reads:.2f}", f"{GOAL_READ_UNITS:.0f}")
    paths = ["", "/tasks?limit=100", "/results", "/errors", "/events", "/series", "/cost"]
    sizes = {path or "job": len(api.call("GET", root + path, stack.api_key).body) for path in paths}
    name = max(sizes, key=lambda path: sizes[path])
    _line(f"largest answer of {len(sizes)}: {name}", f"{sizes[name]:,} bytes", "1 MB")
    grid = api.call("GET", f"{root}/grid", stack.api_key, headers=_OCTETS)
    _line("grid of all tasks", f"{len(grid.body):,} bytes", f"{GOAL_GRID_BYTES:,}")


def _read_units(used: counts.Requests) -> float:
    return sum(units for name, units in used.units.items() if name not in counts.WRITES)


def _print_results(stack: Stack, large: Measured, target: Path) -> None:
    tasks, job_id = large.run.tasks, large.run.job["job_id"]
    taken = _seconds(lambda: results.download(stack, job_id, tasks, target))
    _line("results a second", f"{tasks / taken:,.0f}", f"{results.GOAL_RESULTS_PER_SECOND:,}")


def _seconds(action: Callable[[], object]) -> float:
    begun = time.perf_counter()
    action()
    return time.perf_counter() - begun
