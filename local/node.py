"""Find Node.js and run npm with it: the site alone needs them, all else runs without."""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from local import aws
from local.errors import LocalError
from local.paths import BUILDS, ROOT, tail
from local.scope import Scope

FRONTEND = ROOT / "frontend"
_LEAST = (20, 19)


class NodeMissing(LocalError):
    """There is no Node.js that can build the site; the message says which one is needed."""


def version(printed: str) -> tuple[int, int] | None:
    """Return major and minor of what `node --version` prints, None when it is something else."""
    found = re.match(r"v(\d+)\.(\d+)\.", printed.strip())
    return (int(found[1]), int(found[2])) if found else None


def check() -> None:
    """Raise NodeMissing unless `node` (20.19 or newer) and `npm` are on PATH."""
    wanted = f"Node.js {_LEAST[0]}.{_LEAST[1]} or newer, with npm,"
    if not shutil.which("node") or not shutil.which("npm"):
        raise NodeMissing(f"{wanted} is not on PATH")
    printed = subprocess.run(["node", "--version"], capture_output=True, text=True, check=False)
    if (version(printed.stdout) or (0, 0)) < _LEAST:
        raise NodeMissing(f"{wanted} is needed, and PATH has {printed.stdout.strip() or 'another'}")


def environment(folder: Path) -> dict[str, str]:
    """Return npm's environment: the person's own registry, no browser, temporary files that go."""
    return aws.without_aws(os.environ) | {
        "TMPDIR": str(folder),
        "PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD": "1",
        "NO_UPDATE_NOTIFIER": "1",
    }


def _stamp() -> str:
    """Return what installed packages are stamped with: the lock file that they came from."""
    return hashlib.sha256((FRONTEND / "package-lock.json").read_bytes()).hexdigest()


@contextmanager
def alone() -> Iterator[None]:
    """Hold the lock of the site's packages and builds."""
    BUILDS.mkdir(parents=True, exist_ok=True)
    with (BUILDS / "site.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _run(scope: Scope, folder: Path, *arguments: str) -> None:
    """Run npm to its end; raise LocalError with the end of its output when it fails."""
    log = folder / "npm.log"
    if scope.run(["npm", *arguments], env=environment(folder), cwd=FRONTEND, log=log):
        raise LocalError(f"This failed: npm {' '.join(arguments)}\n{tail(log)}")


def install(scope: Scope, folder: Path) -> None:
    """Install the locked packages if they are not; the caller holds the lock. Raises LocalError."""
    check()
    stamp = FRONTEND / "node_modules" / ".stamp"
    if not stamp.exists() or stamp.read_text() != _stamp():
        _run(scope, folder, "ci", "--no-audit", "--no-fund", "--no-progress")
        stamp.write_text(_stamp())


def script(scope: Scope, folder: Path, name: str, *arguments: str) -> None:
    """Run one script of package.json; raises LocalError."""
    _run(scope, folder, "run", "--silent", name, "--", *arguments)
