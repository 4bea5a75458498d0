"""`make sam-local`: GET and POST of jobs through `sam local start-api`, and a recorded event."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from local import api, launch, sam_local, stack
from local.errors import LocalError
from local.job_client import wait
from local.paths import ROOT, venv_bin
from local.phases import Phases
from local.processes import free_port
from local.progress import view
from local.scope import Scope

IMAGE = "public.ecr.aws/lambda/python:3.13-x86_64"
_STARTED_WITHIN_SECONDS = 120.0


def _missing() -> str:
    """Return why the containers cannot be run here; empty where they can."""
    try:
        sam_local.engine()
    except LocalError as error:
        return str(error)
    found = subprocess.run(["docker", "image", "inspect", IMAGE], capture_output=True, check=False)
    return f"the image {IMAGE} is not there" if found.returncode else ""


pytestmark = [pytest.mark.timeout(900), pytest.mark.skipif(bool(_missing()), reason=_missing())]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[stack.Running]:
    """Run a stack whose emulator containers reach; its file is where `sam_local` looks."""
    with pytest.MonkeyPatch.context() as patch, Scope() as scope, launch.threads(scope) as pool:
        patch.setenv("BIND_HOST", "0.0.0.0")
        options = launch.Options(workers=1)
        started = pool.submit(launch.launch, scope, Phases(), pool, options).result()
        yield started


def _command(running: stack.Running, folder: Path, *arguments: str) -> list[str]:
    file = folder / "stack.json"
    stack.write(running, file)
    python = venv_bin("local") / "python"
    return [str(python), "-m", "local.sam_local", "--stack", str(file), *arguments]


def _environment(**variables: str) -> dict[str, str]:
    return {**os.environ, "SKIP_PULL_IMAGE": "1", **variables}


@pytest.fixture(scope="module")
def served(running: stack.Running, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Serve the API from containers; yield its address."""
    folder, port = tmp_path_factory.mktemp("served"), free_port()
    command, env = _command(running, folder, "api"), _environment(PORT=str(port))
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, env=env, cwd=ROOT, stdout=log, stderr=log)
        try:
            until = time.monotonic() + _STARTED_WITHIN_SECONDS
            while "Running on" not in (said := (folder / "log").read_text()):
                assert process.poll() is None, said
                assert time.monotonic() < until, said
                time.sleep(0.2)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(60)
    left = subprocess.run(["docker", "ps", "-q"], capture_output=True, text=True, check=True)
    assert left.stdout == ""


def test_jobs_are_submitted_and_read_through_containers(
    running: stack.Running, served: str
) -> None:
    deployed, key = running.stack, running.stack.api_key
    body: dict[str, Any] = {"name": "hello", "handler": "echo", "tasks": {"items": [{"n": 1}]}}
    answer = api.call("POST", f"{served}/api/v1/jobs", key, body)
    assert answer.status == 201, answer.body
    job_id = answer.json()["job_id"]
    with view() as shown:
        assert wait(deployed, job_id, shown, lambda: None)["state"] == "SUCCEEDED"
    listed = api.call("GET", f"{served}/api/v1/jobs", key).json()["jobs"]
    assert [(job["job_id"], job["state"]) for job in listed] == [(job_id, "SUCCEEDED")]
    tasks = api.call("GET", f"{served}/api/v1/jobs/{job_id}/tasks", key).json()["tasks"]
    assert [task["result"] for task in tasks] == [{"n": 1}]


def test_nobody_is_let_in_without_a_key(served: str) -> None:
    assert api.send("GET", f"{served}/api/v1/jobs").status in {401, 403}


def test_a_recorded_event_is_answered_by_its_function(
    running: stack.Running, tmp_path: Path
) -> None:
    command = _command(running, tmp_path, "invoke", "jobs_api", "events/jobs_api/health.json")
    done = subprocess.run(
        command, env=_environment(), cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout.splitlines()[-1])
    assert (answer["statusCode"], json.loads(answer["body"])) == (200, {"status": "ok"})
