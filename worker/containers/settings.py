"""The settings of container tasks, from the environment: all begin with CONTAINERS_."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from orchestrator.model.container import Resources
from worker.settings import InvalidSetting, whole_number

_POD_NAMESPACE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")
_IMAGES_USER = "image"


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerSettings:
    """What an operator decides about containers. Times in seconds.

    `user`: the numeric user that containers run as; None is the image's own. `owner`: a ConfigMap.
    """

    namespace: str
    images: tuple[str, ...] = ()
    service_accounts: tuple[str, ...] = ()
    max_jobs: int = 100
    pending_seconds: int = 600
    pull_seconds: int = 60
    ttl_seconds: int = 3_600
    grace_seconds: int = 30
    log_bytes: int = 10 * 1024 * 1024
    user: int | None = 65_532
    owner: str | None = None
    cpu: str = "1"
    memory: str = "1Gi"
    ephemeral_storage: str = "2Gi"


def read_container_settings(
    env: Mapping[str, str], pod_namespace: Path = _POD_NAMESPACE
) -> ContainerSettings | None:
    """Read the settings; None where container tasks are not enabled. Raises InvalidSetting."""
    if not _enabled(env):
        return None
    return ContainerSettings(
        namespace=_namespace(env, pod_namespace),
        images=_listed(env, "CONTAINERS_IMAGES"),
        service_accounts=_listed(env, "CONTAINERS_SERVICE_ACCOUNTS"),
        max_jobs=whole_number(env, "CONTAINERS_MAX", 100, 1, 5_000),
        pending_seconds=whole_number(env, "CONTAINERS_PENDING_SECONDS", 600, 10, 36_000),
        pull_seconds=whole_number(env, "CONTAINERS_PULL_SECONDS", 60, 0, 3_600),
        ttl_seconds=whole_number(env, "CONTAINERS_TTL_SECONDS", 3_600, 60, 604_800),
        grace_seconds=whole_number(env, "CONTAINERS_GRACE_SECONDS", 30, 0, 3_600),
        log_bytes=whole_number(env, "CONTAINERS_LOG_BYTES", 10 * 1024**2, 1024, 100 * 1024**2),
        user=_user(env),
        owner=_owner(env),
        **_resources(env),
    )


def _enabled(env: Mapping[str, str]) -> bool:
    text = env.get("CONTAINERS_ENABLED", "").lower()
    if text not in {"", "true", "false"}:
        raise InvalidSetting(f"CONTAINERS_ENABLED must be true or false, not {text!r}")
    return text == "true"


def _namespace(env: Mapping[str, str], pod_namespace: Path) -> str:
    own = pod_namespace.read_text().strip() if pod_namespace.is_file() else ""
    name = env.get("CONTAINERS_NAMESPACE") or own
    if not _NAME.fullmatch(name):
        raise InvalidSetting(
            "CONTAINERS_NAMESPACE must name the namespace in which containers run: outside of a pod, "
            "which has its own, it must be set"
        )
    return name


def _listed(env: Mapping[str, str], name: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in env.get(name, "").split(",") if part.strip())


def _user(env: Mapping[str, str]) -> int | None:
    if env.get("CONTAINERS_USER", "").lower() == _IMAGES_USER:
        return None
    return whole_number(env, "CONTAINERS_USER", 65_532, 1, 2**31 - 1)


def _owner(env: Mapping[str, str]) -> str | None:
    name = env.get("CONTAINERS_OWNER") or None
    if name is not None and not _NAME.fullmatch(name):
        raise InvalidSetting(f"CONTAINERS_OWNER must be the name of a ConfigMap, not {name!r}")
    return name


def _resources(env: Mapping[str, str]) -> dict[str, str]:
    """Return the defaults of what a container may use, checked as a task's own are."""
    names = {"cpu": "1", "memory": "1Gi", "ephemeral_storage": "2Gi"}
    values = {key: env.get(f"CONTAINERS_{key.upper()}") or text for key, text in names.items()}
    try:
        Resources.model_validate(values)
    except ValueError as error:
        raise InvalidSetting(
            "CONTAINERS_CPU, CONTAINERS_MEMORY and CONTAINERS_EPHEMERAL_STORAGE are quantities such as "
            f"500m and 2Gi: {error}"
        ) from error
    return values
