"""Give uv the package index that the person has set for pip: uv does not read pip's settings.

Runs on any Python from 3.8 on, with nothing but the standard library.
"""

from __future__ import annotations

import ast
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path

_SCOPES = ("global", "install", ":env:")  # pip's order: the later wins
_NAMES = {
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "find-links": "UV_FIND_LINKS",
    "cert": "SSL_CERT_FILE",
    "trusted-host": "UV_INSECURE_HOST",
    "no-index": "UV_NO_INDEX",
}


def from_pip(lines: Iterable[str]) -> dict[str, str]:
    """Return uv's environment for the lines of `pip config list` (`global.index-url='...'`)."""
    found: dict[str, dict[str, str]] = {scope: {} for scope in _SCOPES}
    for line in lines:
        key, _, value = line.strip().partition("=")
        scope, _, name = key.partition(".")
        if scope not in found or name not in _NAMES:
            continue
        try:
            words = " ".join(str(ast.literal_eval(value)).split())
        except (SyntaxError, ValueError):
            continue
        if words:
            found[scope][_NAMES[name]] = words
    settings: dict[str, str] = {}
    for scope in _SCOPES:
        settings.update(found[scope])
    if "UV_FIND_LINKS" in settings:
        settings["UV_FIND_LINKS"] = settings["UV_FIND_LINKS"].replace(" ", ",")
    return settings


def environment(pip_python: Path, env: Mapping[str, str]) -> dict[str, str]:
    """Return the environment to run uv with: `env`, and pip's settings where uv has none.

    The values may hold a password and are never printed. Every file is checked against the lock's
    hashes, so it is safe to take it from whichever index has it, as pip does.
    """
    listing = subprocess.run(
        [str(pip_python), "-m", "pip", "config", "list"],
        capture_output=True,
        text=True,
        check=False,
    )
    settings = from_pip(listing.stdout.splitlines())
    settings["UV_INDEX_STRATEGY"] = "unsafe-best-match"
    settings["UV_NO_PROGRESS"] = "1"
    settings.update(env)
    return settings
