"""`make chaos`: TASKS tasks (10,000) under all faults at once, for each of SEEDS (1 2 3) in a row."""

from __future__ import annotations

import os
import sys

from local import interrupt
from local.paths import LOCAL
from tests.chaos.report import as_json, faults_by_kind, write
from tests.chaos.run import RATES, Outcome, run

TASKS, SEEDS = "10000", "1 2 3"


def tell(outcome: Outcome) -> None:
    """Print what came of one seed."""
    print(f"  faults injected: {faults_by_kind(outcome)}")
    for problem in outcome.problems:
        print(f"  PROBLEM {problem}")
    word = "failed" if outcome.problems else "passed"
    print(f"seed {outcome.seed}: {word}, {outcome.counts}", flush=True)


def main() -> int:
    """Run all seeds, also after one that failed; 0 when all have passed."""
    interrupt.install()
    tasks = int(os.environ.get("TASKS") or TASKS)
    outcomes = []
    for seed in map(int, (os.environ.get("SEEDS") or SEEDS).split()):
        print(f"seed {seed}: {tasks:,} tasks", flush=True)
        outcomes.append(run(seed, tasks))
        tell(outcomes[-1])
    report = as_json(outcomes, RATES)
    print(f"\nReport: {write(report, LOCAL / 'chaos')}")
    return 0 if report["passed"] else 1


if __name__ == "__main__":
    sys.exit(main())
