"""The worker's image and a user's image on it: built, and loaded into the cluster."""

from __future__ import annotations

import os
import shlex
import subprocess
from pathlib import Path

from local import image
from local.paths import ROOT

USER_IMAGE = "job-orchestrator-worker-tests:1"


def build(folder: Path) -> str:
    """Build both images, load the second into the cluster; return its name.

    IMAGE names one that the cluster can pull: then nothing is built. IMAGE_LOAD is the command that takes an
    archive into the cluster, such as `kind load image-archive`.
    """
    if given := os.environ.get("IMAGE"):
        return given
    program = image.engine(os.environ)
    run(*image.command(program, os.environ))
    worker = f"WORKER={image.image(os.environ)}"
    run(
        program,
        "build",
        "--build-arg",
        worker,
        "--tag",
        USER_IMAGE,
        str(Path(__file__).with_name("image")),
    )
    print(image.size_line(program, os.environ))
    if load := os.environ.get("IMAGE_LOAD"):
        archive = folder / "image.tar"
        run(program, "save", "--output", str(archive), USER_IMAGE)
        run(*shlex.split(load), str(archive))
    return USER_IMAGE


def run(*command: str) -> str:
    """Run a command in the project's folder; return what it prints. Raises AssertionError."""
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, (
        f"{shlex.join(command)}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
    )
    return done.stdout
