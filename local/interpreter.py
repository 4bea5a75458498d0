"""Find Python 3.13, the template's version: the emulator runs functions with its own interpreter.

Runs on any Python from 3.8 on, with nothing but the standard library.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

VERSION = "3.13"
_PROBE = "import sys, venv, ensurepip; sys.exit(sys.version_info[:2] != (3, 13))"


def runs(python: Path) -> bool:
    """Return whether `python` really runs as 3.13 and can make environments (a shim may fail)."""
    try:
        command = [str(python), "-c", _PROBE]
        return subprocess.run(command, capture_output=True, timeout=30, check=False).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def candidates() -> Iterator[Path]:
    """Yield where a Python 3.13 may be: this one, PATH, then pyenv's versions, newest first."""
    yield Path(sys.executable)
    for folder in os.environ.get("PATH", os.defpath).split(os.pathsep):
        if folder:
            yield Path(folder) / ("python" + VERSION)
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    found = list(pyenv.glob("versions/" + VERSION + ".*/bin/python" + VERSION))
    yield from sorted(found, key=_patch, reverse=True)


def _patch(path: Path) -> int:
    """Return the number after 3.13 in .../versions/3.13.N/bin/python3.13, -1 for a pre-release."""
    number = path.parent.parent.name[len(VERSION) + 1 :]
    return int(number) if number.isdigit() else -1


def find() -> Path | None:
    """Return a Python 3.13 that runs, None when this machine has none yet."""
    return next((path for path in candidates() if path.exists() and runs(path)), None)
