"""`make bench`: deploy to the emulator, measure, print."""

from __future__ import annotations

import os
import platform
import sys
from pathlib import Path

from local import api, interrupt, launch
from local.phases import Phases
from local.scope import Scope
from tests.bench import imports, peers, reads, throughput

HERE = Path(__file__).parent


def main(names: list[str]) -> int:
    """Run the benches named, all of them where none is."""
    interrupt.install()
    wanted = names or ["imports", "throughput", "reads", "peers"]
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    if "imports" in wanted:
        imports.measure()
    if wanted == ["imports"]:
        return 0
    with Scope() as scope, launch.threads(scope) as pool:
        folder = scope.folder("counts")
        options = launch.Options(
            workers=2,
            handlers=str(HERE / "noop.py"),
            hooks={"PYTHONPATH": str(HERE / "hook"), "BENCH_COUNTS": str(folder)},
        )
        stack = pool.submit(launch.launch, scope, Phases(), pool, options).result().stack
        if "throughput" in wanted:
            throughput.measure(stack, folder)
        if "reads" in wanted:
            listed = api.call("GET", f"{stack.api_url}/api/v1/jobs", stack.api_key).json()["jobs"]
            job_id = listed[0]["job_id"] if listed else throughput.run_small(stack)
            reads.measure(stack, job_id)
        if "peers" in wanted:
            peers.measure(stack)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
