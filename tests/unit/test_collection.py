"""The suite is spread over processes, so each of them must find the same tests under the same names."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter

from local.paths import ROOT


def collected(hash_seed: str) -> Counter[str]:
    """Return the names of all tests, as a process of its own finds them."""
    command = [sys.executable, "-m", "pytest", "--collect-only", "--no-cov"]
    done = subprocess.run(
        command,
        env={**os.environ, "PYTHONHASHSEED": hash_seed},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return Counter(line for line in done.stdout.splitlines() if "::" in line)


def test_processes_find_the_same_tests_whenever_they_start_and_however_they_hash() -> None:
    first, second = collected("1"), collected("2")
    assert len(first) > 1_000
    assert first == second
