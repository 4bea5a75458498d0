"""Build the worker's image: `python -m local.image` (IMAGE=name:tag, BASE=image, ENGINE=docker|podman)."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Mapping

from local import interrupt
from local.errors import LocalError
from local.paths import ROOT

NAME = "job-orchestrator-worker"
_ENGINES = ("docker", "podman")


def version() -> str:
    """Return the project's version, which is the image's tag."""
    with (ROOT / "pyproject.toml").open("rb") as file:
        found: str = tomllib.load(file)["project"]["version"]
    return found


def engine(env: Mapping[str, str]) -> str:
    """Return the program that builds. Raises LocalError where there is none."""
    wanted = env.get("ENGINE")
    for name in (wanted,) if wanted else _ENGINES:
        if path := shutil.which(name, path=env.get("PATH")):
            return path
    names = wanted or " nor ".join(_ENGINES)
    raise LocalError(f"Building an image needs an engine: {names} is not on PATH (ENGINE=path).")


def command(program: str, env: Mapping[str, str]) -> list[str]:
    """Return the command line of the build."""
    base = env.get("BASE")
    return [
        program,
        "build",
        *("--file", "worker/Dockerfile"),
        *("--tag", image(env)),
        *("--label", f"org.opencontainers.image.version={version()}"),
        *(("--build-arg", f"BASE={base}") if base else ()),
        ".",
    ]


def image(env: Mapping[str, str]) -> str:
    """Return the name and tag of the image."""
    return env.get("IMAGE") or f"{NAME}:{version()}"


def size_line(program: str, env: Mapping[str, str]) -> str:
    """Return a line with the image's size, or an empty one where the engine does not tell."""
    inspect = [program, "image", "inspect", "--format", "{{.Size}}", image(env)]
    told = subprocess.run(inspect, env=env, capture_output=True, text=True, check=False).stdout
    text = told.strip()
    return f"{image(env)}: {int(text) / 1e6:.0f} MB, layers unpacked" if text.isdecimal() else ""


def run(env: Mapping[str, str]) -> int:
    """Build; print the size."""
    program = engine(env)
    code = subprocess.run(command(program, env), cwd=ROOT, env=env, check=False).returncode
    if code == 0:
        print(size_line(program, env))
    return code


def main() -> int:
    """Run the command line."""
    return interrupt.exit_code(lambda: run(os.environ))


if __name__ == "__main__":
    sys.exit(main())
