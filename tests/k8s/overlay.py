"""The overlays of k8s/ as the tests apply them: with the image that was built, and quicker."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from local.paths import ROOT
from tests.k8s.cluster import NAMESPACE

_COMPONENTS = ROOT / "k8s" / "components"
SETTINGS = {"LEASE_SECONDS": "10", "WORKER_SLOTS": "2", "UNTIL_EMPTY_SECONDS": "5"}
"""A lost pod's messages come back soon."""
_KEDA = [
    {"op": "replace", "path": "/spec/pollingInterval", "value": 2},
    {"op": "replace", "path": "/spec/cooldownPeriod", "value": 10},
    {
        "op": "replace",
        "path": "/spec/advanced/horizontalPodAutoscalerConfig/behavior/scaleDown/stabilizationWindowSeconds",
        "value": 10,
    },
    {"op": "replace", "path": "/spec/maxReplicaCount", "value": 3},
]
_KEDA_JOBS = [
    {"op": "replace", "path": "/spec/pollingInterval", "value": 2},
    {"op": "replace", "path": "/spec/maxReplicaCount", "value": 3},
]


def write(
    folder: Path,
    name: str,
    image: str,
    settings: Mapping[str, str] = MappingProxyType({}),
    components: Sequence[str] = (),
) -> Path:
    """Write a kustomization on overlays/`name` into `folder`/`name`; return that folder."""
    made = folder / name
    made.mkdir(parents=True, exist_ok=True)
    base = os.path.relpath(ROOT / "k8s" / "overlays" / name, made.resolve())
    tag = image.rpartition(":")
    kustomization = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "namespace": NAMESPACE,
        "resources": [base],
        "components": [os.path.relpath(_COMPONENTS / each, made.resolve()) for each in components],
        "images": [{"name": "job-orchestrator-worker", "newName": tag[0], "newTag": tag[2]}],
        "patches": _patches(name, {**SETTINGS, **settings}),
    }
    # JSON is YAML.
    (made / "kustomization.yaml").write_text(json.dumps(kustomization, indent=1))
    return made


def _patches(name: str, settings: Mapping[str, str]) -> list[dict[str, object]]:
    """Settings go into the pods' environment, since the generated map is the overlay's own."""
    env = [{"name": key, "value": value} for key, value in settings.items()]
    patch = json.dumps(
        [{"op": "add", "path": "/spec/template/spec/containers/0/env", "value": env}]
    )
    jobs = json.dumps(
        [
            {
                "op": "add",
                "path": "/spec/jobTargetRef/template/spec/containers/0/env",
                "value": env,
            },
            *_KEDA_JOBS,
        ]
    )
    if name == "local-jobs":
        return [{"target": {"kind": "ScaledJob"}, "patch": jobs}]
    patches: list[dict[str, object]] = [{"target": {"kind": "Deployment"}, "patch": patch}]
    if name == "local-keda":
        patches.append({"target": {"kind": "ScaledObject"}, "patch": json.dumps(_KEDA)})
    return patches
