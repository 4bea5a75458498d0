"""The emulator of AWS (MiniStack) on 127.0.0.1: started, waited for, ended with its functions."""

from __future__ import annotations

import http.client
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from urllib.parse import urlsplit

from botocore.exceptions import BotoCoreError, ClientError

from local import aws
from local.errors import LocalError
from local.paths import tail, venv_bin
from local.processes import Identity, alive, free_port, port_is_free
from local.scope import Scope

_HEALTHY_WITHIN_SECONDS = 60.0
_START_TRIES = 3


class EmulatorError(LocalError):
    """The emulator did not become healthy; the message ends with its log."""


@dataclass(frozen=True, slots=True)
class Emulator:
    """A running emulator; `folder` holds its log, its state and its temporary files.

    `process` is None where somebody else runs it.
    """

    endpoint_url: str
    process: Identity | None
    folder: Path

    @property
    def log(self) -> Path:
        """The emulator's own log."""
        return self.folder / "emulator.log"


def environment(port: int, folder: Path, *, auth: bool) -> dict[str, str]:
    """Return the emulator's environment: only what it needs, since functions inherit all of it.

    PYTHONDONTWRITEBYTECODE above all must not get in: imports of functions are three times slower.
    """
    temporary = folder / "tmp"
    temporary.mkdir(parents=True, exist_ok=True)
    return {
        "PATH": f"{venv_bin('emulator')}{os.pathsep}{os.defpath}",
        "HOME": str(temporary),
        "TMPDIR": str(temporary),
        "STATE_DIR": str(folder / "state"),
        "S3_DATA_DIR": str(folder / "s3"),
        "LANG": "C.UTF-8",
        "GATEWAY_PORT": str(port),
        # Pods of a cluster on this machine come from another address: BIND_HOST=0.0.0.0.
        "BIND_HOST": os.environ.get("BIND_HOST") or "127.0.0.1",
        "AUTH": "true" if auth else "false",
        "LAMBDA_EXECUTOR": "local",
        # Listeners on fixed ports, which would clash with a second emulator or another program.
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
    }


def healthy(endpoint_url: str) -> bool:
    """Return whether the emulator at this address answers its health check."""
    connection = http.client.HTTPConnection(endpoint_url.removeprefix("http://"), timeout=2)
    try:
        connection.request("GET", "/_ministack/health")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _wait_until_healthy(emulator: Emulator) -> None:
    """Wait for the health check, bounded; raise EmulatorError with the log's end."""
    until = time.monotonic() + _HEALTHY_WITHIN_SECONDS
    while emulator.process is not None and alive(emulator.process):
        if healthy(emulator.endpoint_url):
            return
        if time.monotonic() > until:
            why = f"did not answer within {_HEALTHY_WITHIN_SECONDS:.0f} s"
            break
        time.sleep(0.1)
    else:
        why = "ended while starting"
    raise EmulatorError(f"The emulator {why}. The end of its log:\n{tail(emulator.log)}")


def _start_once(scope: Scope, port: int, *, auth: bool, extra: Mapping[str, str]) -> Emulator:
    """Start the emulator on `port` and wait until it is healthy; raises EmulatorError."""
    python = venv_bin("emulator") / "python"
    if not python.exists():
        raise EmulatorError("The emulator is not installed: run `make setup`.")
    # Thousands of files for each function process: from disk they take longer to go than to come.
    folder = scope.folder("emulator", in_memory=True)
    process = scope.spawn(
        [python, "-m", "ministack"],
        env={**environment(port, folder, auth=auth), **extra},
        cwd=folder,
        log=folder / "emulator.log",
    )
    emulator = Emulator(f"http://127.0.0.1:{port}", process, folder)
    _wait_until_healthy(emulator)
    return emulator


def start(
    scope: Scope,
    *,
    port: int | None = None,
    auth: bool = False,
    extra: Mapping[str, str] = MappingProxyType({}),
) -> Emulator:
    """Start an emulator on `port`, or on a free one; return it when it is healthy.

    `extra` is added to its environment, which every function inherits.

    Another program may take a free port before the emulator binds it: then another one is tried.
    Raises EmulatorError.
    """
    if port and not port_is_free(port):
        raise EmulatorError(f"Port {port} is in use by another program: choose another PORT=.")
    for tries_left in reversed(range(_START_TRIES)):
        chosen = port or free_port()
        try:
            return _start_once(scope, chosen, auth=auth, extra=extra)
        except EmulatorError:
            if port or not tries_left or port_is_free(chosen):
                raise
    raise AssertionError("the last try returns or raises")


def external(scope: Scope, endpoint_url: str) -> Emulator:
    """Return an emulator that somebody else runs, once it answers. Raises EmulatorError."""
    host = urlsplit(endpoint_url).hostname or ""
    if urlsplit(endpoint_url).scheme not in ("http", "https") or not host:
        raise EmulatorError(f"AWS_ENDPOINT_URL={endpoint_url} is no http address.")
    if host.endswith((".amazonaws.com", ".amazonaws.com.cn", ".aws")):
        raise EmulatorError(f"{host} is AWS itself: deploy there with sam deploy (docs/deploy.md).")
    try:
        aws.client("sts", endpoint_url).get_caller_identity()
    except (BotoCoreError, ClientError) as error:
        raise EmulatorError(f"No emulator answers at {endpoint_url}: {error}") from error
    return Emulator(endpoint_url.rstrip("/"), None, scope.folder("emulator"))


@contextmanager
def running_emulator(auth: bool = False) -> Iterator[Emulator]:
    """Run an emulator on a free port; with `auth` it enforces IAM policies as AWS does."""
    with Scope() as scope:
        yield start(scope, auth=auth)
