"""Where things are: the project, and all that the local stack writes under `.local`."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCAL = ROOT / ".local"
RUNS = LOCAL / "run"
BUILDS = LOCAL / "build"
DATA = LOCAL / "data"
RESULTS = LOCAL / "results"
STACK_FILE = LOCAL / "stack.json"
_MEMORY = "/dev/shm"
_MEMORY_LEAST_BYTES = 4 << 30


def venv_bin(name: str) -> Path:
    """Return the folder of executables of the environment `name` (made by `local/bootstrap.py`)."""
    return LOCAL / "venvs" / name / "bin"


def new_run(prefix: str, *, in_memory: bool = False) -> Path:
    """Make a private folder for one run; all that the run leaves on disk is inside."""
    if in_memory and _memory_is_usable():
        return Path(tempfile.mkdtemp(prefix=f"{ROOT.name}-{prefix}-", dir=_MEMORY))
    RUNS.mkdir(parents=True, exist_ok=True)
    return Path(tempfile.mkdtemp(prefix=f"{prefix}-", dir=RUNS))


def _memory_is_usable() -> bool:
    """Return whether the system's folder in memory is large enough, and may hold libraries.

    A container's is often small, or forbids to run what is in it.
    """
    try:
        found = os.statvfs(_MEMORY)
    except OSError:
        return False
    room = found.f_bavail * found.f_frsize >= _MEMORY_LEAST_BYTES
    runnable = not found.f_flag & getattr(os, "ST_NOEXEC", 0)
    return room and runnable and os.access(_MEMORY, os.W_OK)


def remove(folder: Path) -> None:
    """Remove `folder` and what is inside; processes that are just ending may still write there."""
    for _ in range(3):
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            return


def tail(log: Path, lines: int = 25) -> str:
    """Return the last `lines` of a log, or what says that there is none."""
    if not log.exists():
        return "(no log was written)"
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])
