"""The Job of a container: always restricted, and nothing that a task says can loosen it."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from orchestrator.model.container import Container
from orchestrator.model.ids import task_id
from worker.containers.identity import CONTAINER_NAME, RUN_ID_ANNOTATION, Identity
from worker.containers.ports import Object
from worker.containers.settings import ContainerSettings

INPUT_ENV_MAX_BYTES = 32 * 1024
"""Linux gives a variable 128 KB; the Job as a whole must stay far below the 1.5 MB of an object."""
GPU = "nvidia.com/gpu"


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One container that is to run. `input_url` is given where the input does not fit a variable."""

    identity: Identity
    container: Container
    run_id: str
    fleet: str
    timeout_seconds: float
    result_url: str
    input_url: str | None = None


def input_of(container: Container) -> str:
    """Return the input as the container gets it: JSON."""
    return json.dumps(container.input, ensure_ascii=False, separators=(",", ":"))


def job_body(order: Order, settings: ContainerSettings, owner: Object | None) -> Object:
    """Return the Job. A failed pod fails it at once: what follows is decided by the task's own budgets."""
    labels = order.identity.labels(order.fleet)
    metadata: dict[str, Any] = {
        "name": order.identity.name,
        "labels": labels,
        "annotations": {RUN_ID_ANNOTATION: order.run_id},
    }
    if owner is not None:
        metadata["ownerReferences"] = [owner]
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": metadata,
        "spec": {
            "backoffLimit": 0,
            "completions": 1,
            "parallelism": 1,
            "ttlSecondsAfterFinished": settings.ttl_seconds,
            # Says so in the Job's own status, which outlives a pod whose node is gone.
            "podFailurePolicy": {
                "rules": [
                    {
                        "action": "FailJob",
                        "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}],
                    }
                ]
            },
            "template": {"metadata": {"labels": labels}, "spec": _pod(order, settings)},
        },
    }


def _pod(order: Order, settings: ContainerSettings) -> dict[str, Any]:
    account = order.container.service_account
    pod: dict[str, Any] = {
        "restartPolicy": "Never",
        # The pod's, not the Job's: it does not count while no node has room, and the log is kept.
        "activeDeadlineSeconds": math.ceil(order.timeout_seconds),
        "terminationGracePeriodSeconds": settings.grace_seconds,
        "enableServiceLinks": False,
        "automountServiceAccountToken": account is not None,
        "securityContext": {
            "runAsNonRoot": True,
            "seccompProfile": {"type": "RuntimeDefault"},
            **({"runAsUser": settings.user} if settings.user is not None else {}),
        },
        "containers": [_container(order, settings)],
    }
    if account is not None:
        pod["serviceAccountName"] = account
    if order.container.gpu:
        pod["tolerations"] = [{"key": GPU, "operator": "Exists", "effect": "NoSchedule"}]
    return pod


def _container(order: Order, settings: ContainerSettings) -> dict[str, Any]:
    container, resources = order.container, _resources(order.container, settings)
    env = {**_own_env(order), **container.env}
    body: dict[str, Any] = {
        "name": CONTAINER_NAME,
        "image": container.image,
        "env": [{"name": name, "value": _literal(value)} for name, value in env.items()],
        "resources": {"requests": resources, "limits": resources},
        # The end of the log explains an exit code that is not 0 and came without a message.
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
        },
    }
    if container.command is not None:
        body["command"] = [_literal(text) for text in container.command]
    if container.args:
        body["args"] = [_literal(text) for text in container.args]
    return body


def _resources(container: Container, settings: ContainerSettings) -> Mapping[str, str]:
    wanted = container.resources
    quantities = {
        "cpu": wanted.cpu or settings.cpu,
        "memory": wanted.memory or settings.memory,
        "ephemeral-storage": wanted.ephemeral_storage or settings.ephemeral_storage,
    }
    return quantities | ({GPU: str(container.gpu)} if container.gpu else {})


def _own_env(order: Order) -> dict[str, str]:
    identity = order.identity
    env = {
        "TASK_ID": task_id(identity.job, identity.index),
        "TASK_JOB_ID": identity.job,
        "TASK_INDEX": str(identity.index),
        "TASK_GEN": str(identity.gen),
        "TASK_ATTEMPT": str(identity.attempt),
        "TASK_RUN_ID": order.run_id,
        "TASK_TIMEOUT_SECONDS": f"{order.timeout_seconds:g}",
        "TASK_RESULT_URL": order.result_url,
    }
    if order.input_url is not None:
        return env | {"TASK_INPUT_URL": order.input_url}
    return env | {"TASK_INPUT": input_of(order.container)}


def _literal(text: str) -> str:
    """Return what Kubernetes makes `text` of: it replaces $(NAME) in commands and variables, and $$ by $."""
    return text.replace("$", "$$")
