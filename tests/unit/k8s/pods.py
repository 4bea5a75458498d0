"""What every pod must keep, as functions that return what is wrong."""

from __future__ import annotations

import re
from typing import Any

from tests.unit.k8s.manifests import Object

_RESOURCES = ("cpu", "memory", "ephemeral-storage")
_VOLUMES = {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim"}
_VOLUMES |= {"projected", "secret"}
_HOST_FIELDS = ("hostNetwork", "hostPID", "hostIPC")


def problems(template: Object) -> list[str]:
    """Return what is wrong with a pod template by any of the rules."""
    pod = template["spec"]
    found = _restricted_pod(pod)
    for container in (*pod.get("initContainers", []), *pod["containers"]):
        found += _restricted_container(container)
        found += _resources(container.get("resources", {}))
        found += _image(container["image"])
        found += _probes(container)
    return found


def _restricted_pod(pod: Object) -> list[str]:
    """Pod Security "restricted", of the pod: kubernetes.io/docs/concepts/security/pod-security-standards."""
    context = pod.get("securityContext", {})
    volumes = [key for volume in pod.get("volumes", []) for key in volume if key != "name"]
    rules = {
        "runs as root": context.get("runAsNonRoot") is True and context.get("runAsUser", 0) > 0,
        "no seccomp": context.get("seccompProfile", {}).get("type") == "RuntimeDefault",
        "the host's namespaces": not any(pod.get(field) for field in _HOST_FIELDS),
        "a volume of the host": set(volumes) <= _VOLUMES,
        "service links": pod.get("enableServiceLinks") is False,
        "a token by default": "automountServiceAccountToken" in pod,
    }
    return [name for name, kept in rules.items() if not kept]


def _restricted_container(container: Object) -> list[str]:
    context = container.get("securityContext", {})
    capabilities = context.get("capabilities", {})
    ports = container.get("ports", [])
    rules = {
        "escalates": context.get("allowPrivilegeEscalation") is False,
        "privileged": not context.get("privileged"),
        "capabilities": capabilities.get("drop") == ["ALL"] and not capabilities.get("add"),
        "writable root": context.get("readOnlyRootFilesystem") is True,
        "a port of the host": not any("hostPort" in port for port in ports),
    }
    return [name for name, kept in rules.items() if not kept]


def _resources(resources: Object) -> list[str]:
    """Requests and limits of all three, as a quota of a namespace may demand."""
    return [
        f"no {side} of {name}"
        for side in ("requests", "limits")
        for name in _RESOURCES
        if name not in resources.get(side, {})
    ]


def _image(image: str) -> list[str]:
    """An image has a version, and no registry's address: that is the overlay's owner's."""
    name, _, tag = image.partition(":")
    rules = {"no version": re.fullmatch(r"\d+\.\d+\.\d+", tag), "a registry": "/" not in name}
    return [name for name, kept in rules.items() if not kept]


def _probes(container: Object) -> list[str]:
    ports = {port["name"] for port in container.get("ports", [])}
    paths = {"startupProbe": "/livez", "livenessProbe": "/livez", "readinessProbe": "/readyz"}
    found = list[str]()
    for name, path in paths.items():
        get: dict[str, Any] = container.get(name, {}).get("httpGet", {})
        if get.get("path") != path or get.get("port") not in ports:
            found.append(f"no {name}")
    return found
