"""`make bench`: deploy to the emulator, measure, print."""

from __future__ import annotations

import io
import os
import platform
import sys
from collections.abc import Callable
from pathlib import Path

from local import api, interrupt, launch
from local.errors import LocalError
from local.phases import Phases
from local.scope import Scope
from local.stack import Running
from tests.bench import fairness, imports, million, peers, reads, results, simulation, throughput

HERE = Path(__file__).parent
ALONE: dict[str, Callable[[], None]] = {
    "imports": imports.measure,
    "simulation": simulation.measure,
}
"""Benches that need no stack."""
DEPLOYED = ("throughput", "reads", "peers")
BY_NAME_ONLY = ("million", "results", "fairness")
"""The first takes most of an hour, the others some minutes."""


def main(names: list[str]) -> int:
    """Run the benches named, all but the long ones where none is; 2 where a name is none of them."""
    known = [*ALONE, *DEPLOYED, *BY_NAME_ONLY]
    if unknown := [name for name in names if name not in known]:
        print(f"No bench: {', '.join(unknown)}. There are: {', '.join(known)}.", file=sys.stderr)
        return 2
    interrupt.install()
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(
            line_buffering=True
        )  # What was measured is read as it comes, from a pipe too.
    wanted = names or [*ALONE, *DEPLOYED]
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    try:
        for name, measure in ALONE.items():
            if name in wanted:
                measure()
        if deployed := [name for name in wanted if name not in ALONE]:
            _measure_deployed(deployed)
    except LocalError as error:
        print(error, file=sys.stderr)
        return 1
    except interrupt.Interrupted as error:
        return error.exit_code
    return 0


def _measure_deployed(wanted: list[str]) -> None:
    """Deploy once for all; whatever happens, nothing is left running."""
    with Scope() as scope, launch.threads(scope) as pool:
        folder = scope.folder("counts")
        options = launch.Options(
            workers=2,
            handlers=str(HERE / "noop.py"),
            hooks={"PYTHONPATH": str(HERE / "hook"), "BENCH_COUNTS": str(folder)},
        )
        running = pool.submit(launch.launch, scope, Phases(), pool, options).result()
        if "million" in wanted:
            million.measure(running, scope, folder)
        if "results" in wanted:
            results.measure(running.stack, scope.folder("results"))
        if "throughput" in wanted:
            throughput.measure(running, folder)
        if "reads" in wanted:
            reads.measure(running.stack, _some_job(running))
        if "fairness" in wanted:
            fairness.measure(running.stack, len(running.workers))
        if "peers" in wanted:
            peers.measure(running)


def _some_job(running: Running) -> str:
    """Return the newest job, or a small one that is run for it."""
    stack = running.stack
    listed = api.call("GET", f"{stack.api_url}/api/v1/jobs", stack.api_key).json()["jobs"]
    return str(listed[0]["job_id"]) if listed else throughput.run_small(stack)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
