"""A pytest plugin: SIGTERM and SIGHUP end a run as Ctrl-C does, so fixtures clean up."""

from __future__ import annotations

import signal


def pytest_configure() -> None:
    """Handle the signals as Ctrl-C; by default they end pytest at once."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
