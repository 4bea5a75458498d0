"""The files under k8s/ as objects, and kustomize where a machine has it."""

from __future__ import annotations

import functools
import json
import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import yaml

ROOT = Path(__file__).parents[3]
K8S = ROOT / "k8s"
VERSIONS = [f"1.{minor}" for minor in range(31, 38)]
NAMESPACE = "job-orchestrator"
EXTRAS = ("containers", "gpu", "irsa", "prometheus", "spot")
MODES = ("keda", "keda-jobs", "run-once")
_FOR_KUSTOMIZE = {"kustomization.yaml", "references.yaml"}

type Object = dict[str, Any]


def load(path: Path) -> list[Object]:
    """Return the objects of one file; what anchors share in the file is not shared here."""
    found = list(yaml.safe_load_all(path.read_text("utf-8")))
    copied: list[Object] = json.loads(json.dumps(found))
    return copied


def sources(folder: Path = K8S) -> list[tuple[Path, Object]]:
    """Return every object that a file below `folder` holds, with its file."""
    files = [path for path in sorted(folder.rglob("*.yaml")) if path.name not in _FOR_KUSTOMIZE]
    return [(path, found) for path in files for found in load(path)]


def base(name: str) -> Object:
    """Return the one object of a file of the base."""
    (found,) = load(K8S / "base" / name)
    return found


def env_file(path: Path) -> dict[str, str]:
    """Return what an env file sets."""
    lines = [line.strip() for line in path.read_text("utf-8").splitlines()]
    pairs = [line.partition("=") for line in lines if line and not line.startswith("#")]
    return {name: value for name, _, value in pairs}


def of_kind(objects: Iterable[Object], *kinds: str) -> list[Object]:
    """Return the objects of some kinds."""
    return [found for found in objects if found["kind"] in kinds]


def templates(objects: Iterable[Object]) -> Iterator[Object]:
    """Yield the pod templates of Deployments, Jobs and ScaledJobs."""
    for found in of_kind(objects, "Deployment", "Job"):
        yield found["spec"]["template"]
    for found in of_kind(objects, "ScaledJob"):
        if "template" in found["spec"]["jobTargetRef"]:
            yield found["spec"]["jobTargetRef"]["template"]


def settings_of(objects: Iterable[Object]) -> dict[str, str]:
    """Return the workers' settings: the ConfigMap that kustomize generates."""
    maps = of_kind(objects, "ConfigMap")
    (found,) = [each for each in maps if each["metadata"]["name"].startswith("worker-")]
    settings: dict[str, str] = found["data"]
    return settings


def is_kubernetes(found: Object) -> bool:
    """Tell whether Kubernetes itself defines an object's kind."""
    group = found["apiVersion"].rpartition("/")[0]
    return "." not in group or group.endswith(".k8s.io")


def schema_errors(found: Object) -> list[str]:
    """Return what the published schemas of each version say against an object; unknown fields too."""
    return [*_schema_errors(yaml.safe_dump(found))]


@functools.cache
def _schema_errors(text: str) -> tuple[str, ...]:
    found, errors = yaml.safe_load(text), list[str]()
    for version in VERSIONS:
        try:
            kubernetes_validate.validate(found, version, strict=True)
        except kubernetes_validate.ValidationError as error:
            errors.append(f"{version}: {'.'.join(map(str, error.path))}: {error.message}")
    return tuple(errors)


def kustomize() -> list[str] | None:
    """Return the command that renders, None where there is none."""
    if found := shutil.which("kustomize"):
        return [found, "build"]
    found = shutil.which("kubectl")
    return [found, "kustomize"] if found else None


def render(folder: Path) -> list[Object]:
    """Return the objects of a rendering. Raises AssertionError with kustomize's reason."""
    command = kustomize()
    assert command
    done = subprocess.run([*command, str(folder)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return list(yaml.safe_load_all(done.stdout))


def code_names() -> set[str]:
    """Return the names in capitals that the worker's code has as strings: the variables it reads."""
    texts = [path.read_text("utf-8") for path in (ROOT / "worker").rglob("*.py")]
    return {
        name for text in texts for name in re.findall(r'"([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+)"', text)
    }
