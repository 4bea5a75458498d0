"""`python -m worker`: ready for SIGTERM before anything else is imported."""

from __future__ import annotations

import os
import signal
import sys


def end_at_once(number: int, _: object) -> None:
    """End the process: nothing is held yet, and imports may take longer than a pod is given to end.

    The kernel drops a signal that process 1 of a container has no handler for.
    """
    os._exit(128 + number)


def main() -> int:
    """Run the worker; return its exit code."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end_at_once)
    from worker.command import run

    return run(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
