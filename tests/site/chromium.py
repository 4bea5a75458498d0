"""The browser: Debian's Chromium, installed where that is possible and it is missing."""

from __future__ import annotations

import os
import shutil
import subprocess

from local.errors import LocalError

_NAMES = ("chromium", "chromium-browser", "google-chrome")
_PACKAGES = ("chromium", "fonts-dejavu-core")
_INSTALL = ("apt-get", "install", "--yes", "--quiet", "--no-install-recommends", *_PACKAGES)


def find() -> str | None:
    """Return the path of a Chromium, CHROMIUM= before those on PATH."""
    given = os.environ.get("CHROMIUM")
    return given or next((path for name in _NAMES if (path := shutil.which(name))), None)


def ensure() -> str:
    """Return the path of a Chromium; raises LocalError where there is none and none can be installed."""
    if path := find():
        return path
    if not shutil.which("apt-get") or os.geteuid() != 0:
        raise LocalError("No Chromium was found: install one, or name it with CHROMIUM=path.")
    print("Installing Chromium from Debian's packages.", flush=True)
    subprocess.run(["apt-get", "update", "--quiet"], check=False)
    subprocess.run(_INSTALL, check=False, env=os.environ | {"DEBIAN_FRONTEND": "noninteractive"})
    if path := find():
        return path
    raise LocalError("Chromium could not be installed from Debian's packages (see above).")
