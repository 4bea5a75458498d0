"""Import time of each function, as `python -X importtime` sees it, in a process of its own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from statistics import median

from local.paths import ROOT

GOAL_MS = 600
RUNS = 3
FUNCTIONS = (
    "jobs_api",
    "work_api",
    "authorizer",
    "plan_tasks",
    "create_tasks",
    "enqueue_tasks",
    "monitor_job",
    "finish_job",
    "sweep",
    "dead_letters",
)
_TOTAL = re.compile(r"import time:\s+\d+ \|\s+(\d+) \| (\S+)$")


def milliseconds(function: str) -> float:
    """Return the cumulative import time of a function's module; bytecode is there."""
    paths = [ROOT, ROOT / "layers" / "core", ROOT / "functions"]
    env = {"PATH": os.defpath, "PYTHONPATH": os.pathsep.join(map(str, paths))}
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", f"import {function}.app"],
        env=env,
        stderr=subprocess.PIPE,
        text=True,
        check=True,
    )
    found = (_TOTAL.match(line) for line in done.stderr.splitlines())
    totals = {match[2]: int(match[1]) for match in found if match}
    return totals[f"{function}.app"] / 1000 + totals.get(function, 0) / 1000


def measure() -> None:
    """Print the median of each function."""
    print(f"\nImport time, median of {RUNS}, milliseconds (goal {GOAL_MS})")
    for function in FUNCTIONS:
        milliseconds(function)
        print(f"  {function:<20}{median(milliseconds(function) for _ in range(RUNS)):9.0f}")
