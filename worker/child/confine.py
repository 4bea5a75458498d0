"""What a child does to itself before any handler is loaded."""

from __future__ import annotations

import contextlib
import faulthandler
import os
import resource
import sys

from worker.child.settings import ChildSettings
from worker.processes import adopt_orphans, die_with_parent


def confine(settings: ChildSettings) -> None:
    """Tie this process to its worker and bound its memory."""
    die_with_parent(settings.parent)
    adopt_orphans()
    _be_first_for_the_oom_killer()
    _limit_memory(settings.memory_bytes)
    _show_output_at_once()


def _be_first_for_the_oom_killer() -> None:
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as adjust:
        adjust.write("1000")


def _limit_memory(limit: int) -> None:
    """Refuse at once what is far too much; the worker watches the resident size for the rest.

    RLIMIT_DATA counts what is mapped for writing, RLIMIT_AS all that is reserved: libraries such as
    polars reserve many times what they use. Twice the limit leaves room for such maps.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if limit:
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_DATA, (2 * limit, 2 * limit))


def _show_output_at_once() -> None:
    """Line by line, and the C stack when the process dies of a signal."""
    faulthandler.enable()
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(line_buffering=True, errors="backslashreplace")


def flush_output() -> None:
    """Write out what a handler printed, whatever it has done to the streams."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            stream.flush()


def leave(code: int) -> None:
    """End this process without the clean-up of a library that might hang."""
    flush_output()
    os._exit(code)
