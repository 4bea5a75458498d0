"""The real `sam build` and the real `sam deploy`, against the emulator."""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from local import aws
from local.emulator import Emulator
from local.errors import LocalError
from local.paths import BUILDS, ROOT, tail, venv_bin
from local.scope import Scope

STACK_NAME = "job-orchestrator"
_USUAL_PORT = 4566


class DeployError(LocalError):
    """A step of the deployment failed; the message ends with its log."""


def environment(endpoint_url: str, temporary: Path) -> dict[str, str]:
    """Return sam's environment: the person's own package index, but nothing of their AWS account.

    sam runs the pip of the first python3.13 on PATH, which is that of its own environment: a shim
    of that name may exist on the person's PATH and not run.
    """
    home = BUILDS / "sam" / "home"
    home.mkdir(parents=True, exist_ok=True)
    temporary.mkdir(exist_ok=True)
    # sam would look for a newer sam, once a week.
    (home / "metadata.json").write_text(json.dumps({"lastVersionCheck": time.time()}))
    env = aws.without_aws(os.environ) | aws.environment(endpoint_url)
    path = os.environ.get("PATH", os.defpath)
    return env | {
        "PATH": f"{venv_bin('sam')}{os.pathsep}{path}",
        "SAM_CLI_TELEMETRY": "0",
        "SAM_CLI_POLL_DELAY": "0.3",
        "__SAM_CLI_APP_DIR": str(home),
        "TMPDIR": str(temporary),
    }


def _run(scope: Scope, command: Sequence[str | Path], endpoint_url: str, log: Path) -> None:
    """Run one step to its end; raise DeployError with the log's end when it fails."""
    env = environment(endpoint_url, log.parent / "tmp")
    if scope.run(command, env=env, cwd=ROOT, log=log):
        words = " ".join(Path(part).name if isinstance(part, Path) else part for part in command)
        raise DeployError(f"This failed: {words}\nThe end of {log}:\n{tail(log)}")


@contextmanager
def built(scope: Scope, folder: Path, template: Path | None = None) -> Iterator[Path]:
    """Build functions and layer; yield the built template. Raises DeployError.

    sam keeps its cache's index beside its build folder, so all builds share one, and the lock is
    held until the caller has deployed it.
    """
    BUILDS.mkdir(parents=True, exist_ok=True)
    with (BUILDS / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        into, log = BUILDS / "sam" / "build", folder / "sam-build.log"
        names = ["--template-file", str(template or ROOT / "template.yaml")]
        folders = ["--build-dir", str(into), "--cache-dir", str(BUILDS / "sam" / "cache")]
        _run(scope, sam("build", *names, *folders, "--cached", "--parallel"), "", log)
        prepare = ["-m", "local.artefacts", str(into), str(BUILDS / "bytecode")]
        _run(scope, [venv_bin("emulator") / "python", *prepare], "", log)
        yield into / "template.yaml"


def parameters(endpoint_url: str, *, site: bool) -> list[str]:
    """Return the template's parameters: the site's distribution finds the API by the port."""
    port = urlsplit(endpoint_url).port or _USUAL_PORT
    given = ["Environment=local", f"Site={str(site).lower()}", f"EmulatorPort={port}"]
    return ["--parameter-overrides", *given]


def deploy(
    scope: Scope, emulator: Emulator, template: Path, folder: Path, *, site: bool = False
) -> dict[str, str]:
    """Deploy a built template; return the stack's outputs by name. Raises DeployError."""
    flags = ["--no-confirm-changeset", "--resolve-s3", "--no-progressbar"]
    names = ["--stack-name", STACK_NAME, "--template-file", str(template)]
    given = parameters(emulator.endpoint_url, site=site)
    log = folder / "sam-deploy.log"
    _run(scope, sam("deploy", *names, *flags, *given), emulator.endpoint_url, log)
    return outputs(emulator)


def sam(command: str, *arguments: str) -> list[str | Path]:
    """Return the command line of sam, such as "build" or "local invoke".

    As a module, since a script's first line takes no spaces.
    """
    python = venv_bin("sam") / "python"
    config = ["--config-file", str(ROOT / "samconfig.toml"), "--config-env", "local"]
    return [python, "-m", "samcli", *command.split(), *config, *arguments]


def outputs(emulator: Emulator) -> dict[str, str]:
    """Return the outputs of the deployed stack, by name."""
    answer = aws.client("cloudformation", emulator.endpoint_url).describe_stacks(
        StackName=STACK_NAME
    )
    return {
        item["OutputKey"]: item["OutputValue"] for item in answer["Stacks"][0].get("Outputs", [])
    }
