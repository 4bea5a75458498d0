"""The worker's Dockerfile, and the command that builds it."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path

import pytest

from local import image
from local.errors import LocalError
from tests.unit.k8s.manifests import ROOT, base
from worker.settings import read_settings

DOCKERFILE = ROOT / "worker" / "Dockerfile"
REQUIRED = ("TASK_QUEUE_URL", "WORK_API_URL", "DATA_BUCKET", "RESULTS_BUCKET")
IMPORT_ALL = """
import importlib, pkgutil, worker
for found in pkgutil.walk_packages(worker.__path__, "worker."):
    if not found.name.endswith("__main__"):
        importlib.import_module(found.name)
from worker.registry import load_handlers
print(*sorted(load_handlers([])))
"""


@dataclass(frozen=True, slots=True)
class Step:
    """One instruction of a Dockerfile, and the number of its stage (-1 before the first)."""

    stage: int
    name: str
    rest: str


def steps() -> list[Step]:
    """Return the instructions, with lines that are continued put together and comments left out."""
    lines = DOCKERFILE.read_text("utf-8").splitlines()
    text = "\n".join(line for line in lines if not line.startswith("#")).replace("\\\n", " ")
    found, stage = list[Step](), -1
    for line in filter(None, text.splitlines()):
        name, _, rest = line.partition(" ")
        stage += name == "FROM"
        found.append(Step(stage, name, " ".join(rest.split())))
    return found


STEPS = steps()
LAST = STEPS[-1].stage


def named(name: str, stage: int | None = None) -> list[str]:
    return [step.rest for step in STEPS if step.name == name and stage in {None, step.stage}]


def test_the_base_is_one_python_without_a_registry() -> None:
    (declared,) = named("ARG", -1)
    with (ROOT / "pyproject.toml").open("rb") as file:
        wanted = tomllib.load(file)["project"]["requires-python"]
    assert declared == f"BASE=python:{wanted.removeprefix('>=')}-slim"
    assert {rest.split(" ")[0] for rest in named("FROM")} == {"${BASE}"}


def test_packages_come_from_the_lock_by_their_hashes_and_nothing_is_compiled() -> None:
    (install,) = [rest for rest in named("RUN") if "pip install" in rest]
    for flag in ("--require-hashes", "--only-binary=:all:", "--no-deps", "--no-cache-dir"):
        assert flag in install
    assert "-r requirements.txt" in install
    lock = (ROOT / "worker" / "requirements.txt").read_text("utf-8")
    for entry in re.findall(r"^[a-z0-9][^\n]*\n(?: .*\n?)*", lock, re.MULTILINE):
        assert "--hash=sha256:" in entry


def test_the_worker_uses_nothing_that_the_image_leaves_out() -> None:
    (install,) = [rest for rest in named("RUN") if "pip install" in rest]
    assert install.endswith("/kubernetes/aio")
    texts = [path.read_text("utf-8") for path in (ROOT / "worker").rglob("*.py")]
    assert not [
        text for text in texts if re.search(r"kubernetes\.aio|kubernetes import .*aio", text)
    ]


def test_the_last_stage_installs_nothing() -> None:
    assert LAST == 1
    assert not [
        rest for rest in named("RUN", LAST) if re.search(r"\b(pip|apt|apt-get|curl)\b", rest)
    ]
    assert named("COPY", LAST) == ["--from=build /install /usr/local"]


def test_nothing_is_fetched_by_the_engine() -> None:
    assert named("ADD") == []
    assert not re.findall(r"https?://|^# *syntax", DOCKERFILE.read_text("utf-8"), re.MULTILINE)


def test_it_runs_as_the_user_of_the_manifests() -> None:
    context = base("deployment.yaml")["spec"]["template"]["spec"]["securityContext"]
    user, group = context["runAsUser"], context["runAsGroup"]
    assert named("USER", LAST) == [f"{user}:{group}"]
    assert f"--uid {user}" in named("RUN", LAST)[0]


def test_it_exposes_the_port_that_the_worker_serves() -> None:
    assert named("EXPOSE", LAST) == [str(read_settings(dict.fromkeys(REQUIRED, "x")).http_port)]


def test_signals_reach_the_worker_from_its_first_moment() -> None:
    (entry,) = named("ENTRYPOINT", LAST)
    assert json.loads(entry) == ["tini", "--", "python", "-m", "worker"]
    assert named("CMD") == [], "a manifest's args are the worker's"


def test_no_module_is_looked_for_in_the_folder_that_tasks_write_to() -> None:
    assert "PYTHONSAFEPATH=1" in named("ENV", LAST)[0]
    assert named("WORKDIR", LAST) == ["/"]


def test_what_is_copied_is_enough_to_load_every_module_and_handler(tmp_path: Path) -> None:
    for rest in named("COPY", 0):
        *sources, target = rest.split(" ")
        into = tmp_path / target
        for source in map(ROOT.joinpath, sources):
            if source.is_dir():
                shutil.copytree(source, into, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                into.mkdir(parents=True, exist_ok=True)
                shutil.copy(source, into)
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(tmp_path / "code"), "PYTHONSAFEPATH": "1"}
    command = [sys.executable, "-c", IMPORT_ALL]
    done = subprocess.run(
        command, env=env, cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert {"echo", "sleep", "csv.profile"} <= set(done.stdout.split())


def test_the_engine_is_sent_what_is_copied_and_no_more() -> None:
    lines = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    rules = [line for line in lines if not line.startswith("#")]
    kept = [rule.removeprefix("!") for rule in rules if rule.startswith("!")]
    assert rules[0] == "*"
    copied = [source for rest in named("COPY", 0) for source in rest.split(" ")[:-1]]
    assert all(any(f"{source}/".startswith(f"{each}/") for each in kept) for source in copied)
    assert all(any(f"{source}/".startswith(f"{each}/") for source in copied) for each in kept)


def test_the_image_with_handlers_on_the_page_is_made_from_this_one() -> None:
    page = (ROOT / "docs" / "handlers.md").read_text("utf-8")
    (block,) = re.findall(r"```dockerfile file=Dockerfile\n(.*?)```", page, re.DOTALL)
    lines = block.splitlines()
    assert lines[0] == f"FROM {image.image({})}"
    assert lines[-1] == f"USER {named('USER', LAST)[0]}"
    (copied,) = [line.split(" ")[1:-1] for line in lines if line.startswith("COPY")]
    assert all(f" file={name}\n" in page for name in copied)


def test_the_command_builds_this_file_with_the_version_as_tag() -> None:
    built = image.command("docker", {})
    assert built[:4] == ["docker", "build", "--file", "worker/Dockerfile"]
    assert built[built.index("--tag") + 1] == f"{image.NAME}:{image.version()}"
    assert "--build-arg" not in built
    assert built[-1] == "."


def test_image_and_base_can_be_chosen() -> None:
    built = image.command("podman", {"IMAGE": "mine:2", "BASE": "python:3.13"})
    assert built[built.index("--tag") + 1] == "mine:2"
    assert built[built.index("--build-arg") + 1] == "BASE=python:3.13"


def test_without_an_engine_the_error_names_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(LocalError, match="docker nor podman is not on PATH"):
        image.engine({"PATH": str(tmp_path)})
    with pytest.raises(LocalError, match="nerdctl is not on PATH"):
        image.engine({"PATH": str(tmp_path), "ENGINE": "nerdctl"})
