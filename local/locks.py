"""Compile the lock files again from their .in files: `python -m local.locks`."""

from __future__ import annotations

import os
import subprocess
import sys

from local import package_index
from local.interpreter import VERSION
from local.paths import ROOT, venv_bin

_LOCKS = (
    "layers/core/requirements",
    "worker/requirements",
    *(f"local/requirements/{name}" for name in ("uv", "emulator", "sam", "local", "dev", "bench")),
)


def main() -> int:
    """Compile each lock; the emulator's Python and every platform's hashes go into all of them."""
    env = package_index.environment(venv_bin("uv") / "python", os.environ)
    for lock in _LOCKS:
        command = [str(venv_bin("uv") / "uv"), "pip", "compile", "--quiet", "--no-config"]
        options = ["--universal", "--python-version", VERSION, "--generate-hashes", "--no-header"]
        files = ["--no-emit-index-url", f"{lock}.in", "--output-file", f"{lock}.txt"]
        print(lock, flush=True)
        if subprocess.run([*command, *options, *files], cwd=ROOT, env=env, check=False).returncode:
            return 1
    return os.EX_OK


if __name__ == "__main__":
    sys.exit(main())
