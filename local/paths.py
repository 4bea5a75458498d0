"""Where things are: the project, and all that the local stack writes under `.local`."""

from __future__ import annotations

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


def venv_bin(name: str) -> Path:
    """Return the folder of executables of the environment `name` (made by `local/bootstrap.py`)."""
    return LOCAL / "venvs" / name / "bin"


def new_run(prefix: str) -> Path:
    """Make a private folder for one run; all that the run leaves on disk is inside."""
    RUNS.mkdir(parents=True, exist_ok=True)
    return Path(tempfile.mkdtemp(prefix=f"{prefix}-", dir=RUNS))


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
