"""`sam local` on what `make up` has built and deployed: `python -m local.sam_local api|invoke`.

The functions run in Lambda's own containers and reach the running emulator, so it must listen on an
address that containers reach: `make up BIND_HOST=0.0.0.0`. Needs a Docker engine.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from ipaddress import ip_network
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from local import aws, interrupt, stack
from local.deploy import environment, sam
from local.errors import LocalError
from local.paths import BUILDS, ROOT, STACK_FILE, venv_bin
from local.processes import free_port, port_is_free
from local.scope import Scope

HOST_NAME = "host.docker.internal"
_USUAL_PORT = 3000
_BUILT = BUILDS / "sam" / "build"


def container_endpoint(endpoint_url: str) -> str:
    """Return the emulator's address as a container sees it."""
    return f"http://{HOST_NAME}:{urlsplit(endpoint_url).port}"


def logical_id(function: str) -> str:
    """Return `JobsApiFunction` for `jobs_api`."""
    return "".join(part.title() for part in function.split("_")) + "Function"


def variables(deployed: stack.Stack, client: Any) -> dict[str, dict[str, str]]:
    """Return each function's environment as it is deployed, but with the emulator as containers see it."""
    endpoint = container_endpoint(deployed.endpoint_url)
    found = {}
    for function, name in deployed.functions.items():
        configuration = client.get_function_configuration(FunctionName=name)
        own: Mapping[str, str] = configuration.get("Environment", {}).get("Variables", {})
        seen = {key: value.replace(deployed.endpoint_url, endpoint) for key, value in own.items()}
        found[logical_id(function)] = seen | {"AWS_ENDPOINT_URL": endpoint}
    return found


def engine() -> None:
    """Raise LocalError where no Docker engine answers."""
    program = shutil.which("docker")
    if program is None:
        raise LocalError("sam local needs Docker, and there is no docker on PATH.")
    asked = subprocess.run([program, "info"], capture_output=True, text=True, check=False)
    if asked.returncode:
        raise LocalError(f"sam local needs a Docker engine: {asked.stderr.strip()[:300]}")


def gateway_of(configs: Sequence[Mapping[str, str]]) -> str | None:
    """Return this machine's address on a network of Docker's: named, or the first of its subnet."""
    for config in configs:
        if config.get("Gateway"):
            return config["Gateway"]
        if config.get("Subnet"):
            return str(next(ip_network(config["Subnet"]).hosts()))
    return None


def gateway_address() -> str:
    """Return this machine's address on Docker's default network. Raises LocalError."""
    command = ["docker", "network", "inspect", "bridge", "--format", "{{json .IPAM.Config}}"]
    asked = subprocess.run(command, capture_output=True, text=True, check=False)
    address = gateway_of(json.loads(asked.stdout)) if asked.returncode == 0 else None
    if address is None:
        raise LocalError(f"Docker's network bridge has no address: {asked.stderr.strip()[:300]}")
    return address


def prepare(running: stack.Running, folder: Path) -> list[str]:
    """Write the template's copy and the variables; return the flags of every `sam local` command."""
    deployed = running.stack
    template = _BUILT / "sam-local.yaml"
    endpoint = container_endpoint(deployed.endpoint_url)
    program = [str(venv_bin("emulator") / "python"), "-m", "local.sam_template"]
    subprocess.run(
        [*program, str(_BUILT / "template.yaml"), str(template), endpoint], cwd=ROOT, check=True
    )
    client = aws.client("lambda", deployed.endpoint_url)
    file = folder / "variables.json"
    file.write_text(json.dumps(variables(deployed, client)))
    flags = ["--template", str(template), "--env-vars", str(file)]
    flags += ["--add-host", f"{HOST_NAME}:{gateway_address()}", "--region", deployed.region]
    # Where the image is there already (made or pulled before), no registry is asked.
    return flags + (["--skip-pull-image"] if os.environ.get("SKIP_PULL_IMAGE") else [])


def _running(file: Path) -> stack.Running:
    running = stack.read(file)
    if running is None or not running.complete:
        raise LocalError("Nothing runs: make up BIND_HOST=0.0.0.0 starts a stack.")
    if not (_BUILT / "template.yaml").exists():
        raise LocalError("Nothing is built: make up builds and deploys.")
    return running


def _port() -> int:
    text = os.environ.get("PORT", "")
    if text:
        return int(text)
    return _USUAL_PORT if port_is_free(_USUAL_PORT) else free_port()


def api(scope: Scope, file: Path) -> int:
    """Serve the API by `sam local start-api` until it is interrupted."""
    running, folder, port = _running(file), scope.folder("sam-local"), _port()
    print(f"The API at http://127.0.0.1:{port}/api/v1 (key: api_key in {file})", flush=True)
    flags = ["--port", str(port), "--warm-containers", "LAZY"]
    return _sam(scope, running, "start-api", [*prepare(running, folder), *flags])


def invoke(scope: Scope, file: Path, function: str, event: Path) -> int:
    """Invoke one function on a recorded event; sam prints its answer."""
    running, folder = _running(file), scope.folder("sam-local")
    if function not in running.stack.functions:
        names = ", ".join(sorted(running.stack.functions))
        raise LocalError(f"There is no function {function}: there are {names}.")
    if not event.is_file():
        raise LocalError(f"There is no event {event}: look under events/.")
    flags = ["--event", str(event.resolve())]
    return _sam(scope, running, "invoke", [logical_id(function), *prepare(running, folder), *flags])


def _sam(scope: Scope, running: stack.Running, command: str, arguments: list[str]) -> int:
    env = environment(running.stack.endpoint_url, running.folder / "tmp")
    # sam itself asks nobody but Docker; the person's engine is where their environment says.
    env |= {name: value for name, value in os.environ.items() if name.startswith("DOCKER_")}
    return scope.run(sam(f"local {command}", *arguments), env=env, cwd=ROOT, log=None)


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="local.sam_local", description=__doc__)
    parser.add_argument("--stack", type=Path, default=STACK_FILE, help="file of a running stack")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("api")
    one = commands.add_parser("invoke")
    one.add_argument("function", help="folder of the function, such as jobs_api")
    one.add_argument("event", type=Path, help="a file such as events/jobs_api/list_jobs.json")
    chosen = parser.parse_args()
    interrupt.install()
    try:
        engine()
        with Scope() as scope:
            if chosen.command == "api":
                return api(scope, chosen.stack)
            return invoke(scope, chosen.stack, chosen.function, chosen.event)
    except LocalError as error:
        print(f"\n{error}", file=sys.stderr)
        return 1
    except interrupt.Interrupted as error:
        return 0 if chosen.command == "api" else error.exit_code


if __name__ == "__main__":
    sys.exit(main())
