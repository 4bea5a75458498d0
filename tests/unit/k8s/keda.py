"""What KEDA's objects may hold: its resource definitions and admission rules, written down here.

KEDA's webhooks are not in every cluster, and an unknown field is dropped without a word.
"""

from __future__ import annotations

from typing import Any

from tests.unit.k8s.manifests import Object, schema_errors

type Shape = type | tuple[str, ...] | list[Any] | dict[str, Any]

_FREE: dict[str, Any] = {}
"""Checked elsewhere."""
_TRIGGERS = [
    {
        "type": ("aws-sqs-queue",),
        "name": ("tasks", "express"),
        "metadata": {
            "queueURL": str,
            "queueLength": str,
            "activationQueueLength": str,
            "awsRegion": str,
            "awsEndpoint": str,
            "scaleOnInFlight": ("true", "false"),
            "scaleOnDelayed": ("true", "false"),
        },
        "authenticationRef": {"name": str, "kind": ("TriggerAuthentication",)},
    }
]
_FALLBACKS = ("static", "currentReplicas", "currentReplicasIfHigher", "currentReplicasIfLower")
SHAPES: dict[str, Shape] = {
    "ScaledObject": {
        "scaleTargetRef": {"name": str, "apiVersion": str, "kind": str},
        "pollingInterval": int,
        "cooldownPeriod": int,
        "initialCooldownPeriod": int,
        "minReplicaCount": int,
        "maxReplicaCount": int,
        "fallback": {"failureThreshold": int, "replicas": int, "behavior": _FALLBACKS},
        "advanced": {
            "restoreToOriginalReplicaCount": bool,
            "scalingModifiers": {
                "formula": ("tasks + express",),
                "target": str,
                "activationTarget": str,
                "metricType": ("AverageValue", "Value"),
            },
            "horizontalPodAutoscalerConfig": {"name": str, "behavior": _FREE},
        },
        "triggers": _TRIGGERS,
    },
    "ScaledJob": {
        "pollingInterval": int,
        "minReplicaCount": int,
        "maxReplicaCount": int,
        "successfulJobsHistoryLimit": int,
        "failedJobsHistoryLimit": int,
        "rollout": {"strategy": ("default", "gradual"), "propagationPolicy": str},
        "scalingStrategy": {
            "strategy": ("default", "custom", "accurate", "eager"),
            "multipleScalersCalculation": ("max", "min", "avg", "sum"),
        },
        "jobTargetRef": _FREE,
        "triggers": _TRIGGERS,
    },
    "TriggerAuthentication": {
        "podIdentity": {
            "provider": ("aws",),
            "identityOwner": ("keda", "workload"),
            "roleArn": str,
        },
        "secretTargetRef": [
            {"parameter": ("awsAccessKeyID", "awsSecretAccessKey"), "name": str, "key": str}
        ],
    },
}


def problems(found: Object) -> list[str]:
    """Return what is wrong with one of KEDA's objects."""
    spec = found["spec"]
    wrong = [] if found["apiVersion"] == "keda.sh/v1alpha1" else ["apiVersion"]
    wrong += _misfits("spec", spec, SHAPES[found["kind"]])
    if found["kind"] == "TriggerAuthentication":
        return wrong + ([] if len(spec) == 1 else ["exactly one way to authenticate"])
    wrong += [] if 0 <= spec["minReplicaCount"] < spec["maxReplicaCount"] else ["replica counts"]
    wrong += [] if spec["pollingInterval"] > 0 else ["pollingInterval"]
    wrong += [problem for trigger in spec["triggers"] for problem in _trigger(trigger)]
    wrong += _behavior(spec) if found["kind"] == "ScaledObject" else _job(spec["jobTargetRef"])
    return wrong


def _misfits(path: str, value: Any, shape: Any) -> list[str]:
    """Return where a value does not have its shape; a field that the shape does not name is one."""
    if shape is _FREE:
        return []
    match shape:
        case dict():
            if not isinstance(value, dict):
                return [path]
            inner = [(f"{path}.{name}", value[name], shape.get(name, ())) for name in value]
            return [found for each in inner for found in _misfits(*each)]
        case list():
            items = value if isinstance(value, list) else [None]
            return [found for item in items for found in _misfits(f"{path}[]", item, shape[0])]
        case tuple():
            return [] if value in shape else [path]
    return [] if type(value) is shape else [path]


def _trigger(trigger: Object) -> list[str]:
    metadata = trigger["metadata"]
    missing = [name for name in ("queueURL", "awsRegion") if not metadata.get(name)]
    numbers = [metadata.get("queueLength", "5"), metadata.get("activationQueueLength", "0")]
    wrong = [f"a number: {text}" for text in numbers if not text.isdecimal()]
    if not wrong and int(numbers[0]) < 1:
        wrong.append("queueLength is below 1")
    return [*missing, *wrong]


def _behavior(spec: Object) -> list[str]:
    """KEDA hands the behaviour on to a HorizontalPodAutoscaler: let that one's schema judge it."""
    behavior = spec.get("advanced", {}).get("horizontalPodAutoscalerConfig", {}).get("behavior", {})
    autoscaler = {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "any"},
        "spec": {
            "scaleTargetRef": {"kind": "Deployment", "name": "any"},
            "maxReplicas": spec["maxReplicaCount"],
            "behavior": behavior,
        },
    }
    return schema_errors(autoscaler)


def _job(target: Object) -> list[str]:
    """KEDA makes a Job of it. Without a template it is a source that kustomize completes."""
    if "template" not in target:
        return []
    metadata = {"name": "any"}
    job = {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": target}
    restarts = target["template"]["spec"].get("restartPolicy")
    return schema_errors(job) + ([] if restarts in {"Never", "OnFailure"} else ["restartPolicy"])
