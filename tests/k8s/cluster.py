"""A cluster as the tests use it, by kubectl."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

NAMESPACE = "job-orchestrator"
POOL = "app.kubernetes.io/component=pool"
_POLL_SECONDS = 0.5


def missing() -> str:
    """Return why there is no cluster to test on; empty where there is one."""
    if not os.environ.get("KUBECONFIG"):
        return "KUBECONFIG names no cluster"
    if shutil.which("kubectl") is None:
        return "kubectl is not on PATH"
    asked = _kubectl("get", "crd", "scaledobjects.keda.sh", "scaledjobs.keda.sh", "-o", "name")
    return "" if asked.returncode == 0 else f"no cluster with KEDA: {asked.stderr.strip()[:200]}"


def _kubectl(*arguments: str, text: str | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["kubectl", "--request-timeout=60s", *arguments],
        input=text,
        capture_output=True,
        text=True,
        check=False,
    )


@dataclass(frozen=True, slots=True)
class Pod:
    """A pod as it was listed."""

    name: str
    uid: str
    phase: str
    ready: bool
    restarts: int
    deleted: bool
    ended: bool
    """All its containers have ended: its phase says so some time later."""


class Cluster:
    """The namespace of the workers."""

    def kubectl(self, *arguments: str, text: str | None = None) -> str:
        """Run kubectl; raise AssertionError with what it says when it fails."""
        done = _kubectl("--namespace", NAMESPACE, *arguments, text=text)
        assert done.returncode == 0, f"kubectl {' '.join(arguments)}: {done.stderr}"
        return done.stdout

    def get(self, *arguments: str) -> Any:
        """Return what kubectl gets, read as JSON."""
        return json.loads(self.kubectl("get", *arguments, "--output=json"))

    def host(self) -> str:
        """Return this machine's address as pods reach it: the one from which the API is reached."""
        if given := os.environ.get("CLUSTER_HOST"):
            return given
        view = self.kubectl("config", "view", "--minify", "--output=json")
        server = urlsplit(json.loads(view)["clusters"][0]["cluster"]["server"])
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.connect((server.hostname, server.port or 443))
            return str(probe.getsockname()[0])

    def pods(self, selector: str) -> list[Pod]:
        """Return the pods of a selector, those that are ending too."""
        return [_pod(item) for item in self.get("pods", f"--selector={selector}")["items"]]

    def live(self, selector: str = POOL) -> list[Pod]:
        """Return the pods that are not ending or over."""
        pods = [pod for pod in self.pods(selector) if not pod.deleted and not pod.ended]
        return [pod for pod in pods if pod.phase in ("Pending", "Running")]

    def wait(self, what: str, holds: Callable[[], bool], seconds: float = 180.0) -> float:
        """Wait until something holds; return the seconds it took. Raises AssertionError."""
        began = time.monotonic()
        while not holds():
            waited = time.monotonic() - began
            assert waited < seconds, f"{what}: not within {seconds:.0f} s\n{self.story()}"
            time.sleep(_POLL_SECONDS)
        return time.monotonic() - began

    def rolled_out(self) -> None:
        """Wait until the pool is as its Deployment wants it."""
        self.kubectl("rollout", "status", "deployment/worker", "--timeout=180s")

    def story(self) -> str:
        """Return what a person would look at first."""
        pods = _kubectl(
            "--namespace", NAMESPACE, "get", "pods,jobs,scaledobjects,scaledjobs", "-o", "wide"
        )
        events = _kubectl("--namespace", NAMESPACE, "get", "events", "--sort-by=.lastTimestamp")
        logs = _kubectl(
            *("--namespace", NAMESPACE, "logs", "--selector=app.kubernetes.io/name=worker"),
            *("--tail=15", "--prefix", "--all-containers"),
        )
        return "\n".join([pods.stdout, events.stdout[-3000:], logs.stdout[-4000:], logs.stderr])

    def drain(self, node: str, seconds: int) -> None:
        """Evict the pods of a node for as long as told, then open it again."""
        flags = ("--ignore-daemonsets", "--delete-emptydir-data", f"--timeout={seconds}s")
        _kubectl("drain", node, *flags)
        cordoned = self.get("node", node)["spec"].get("unschedulable", False)
        self.kubectl("uncordon", node)
        assert cordoned

    def apply(self, overlay: Path) -> None:
        """Apply an overlay."""
        self.kubectl("apply", "--kustomize", str(overlay))

    def delete(self, overlay: Path) -> None:
        """Delete what an overlay makes, and wait until it is gone."""
        self.kubectl(
            "delete", "--kustomize", str(overlay), "--ignore-not-found", "--wait", "--timeout=120s"
        )


def _pod(item: Any) -> Pod:
    status = item["status"]
    containers = status.get("containerStatuses", [])
    return Pod(
        name=item["metadata"]["name"],
        uid=item["metadata"]["uid"],
        phase=status["phase"],
        ready=bool(containers) and all(each["ready"] for each in containers),
        restarts=sum(each["restartCount"] for each in containers),
        deleted="deletionTimestamp" in item["metadata"],
        ended=bool(containers) and all("terminated" in each["state"] for each in containers),
    )
