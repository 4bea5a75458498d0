"""Kubernetes in memory: its API as the worker sees it, its Job controller, and a kubelet that tests drive."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from worker.containers.ports import Event, Gone, Kind, Listed, Object, Refused
from worker.containers.rbac import OWNER_RULES, RULES
from worker.ports import Unavailable

START = "2026-01-01T00:00:{:02d}Z"
_WATCH_SECONDS = 20


@dataclass
class FakeCluster:
    """One namespace.

    `role` is what may be done, `used` what was. `job_quota` and `pod_quota` bound what exists at once,
    `down` makes every call fail, `refuse` is raised by the next creations, one each. `runs_pods` false: no
    scheduler takes new pods.
    """

    role: Mapping[tuple[str, str], frozenset[str]] = field(
        default_factory=lambda: {**RULES, **OWNER_RULES}
    )
    job_quota: int | None = None
    pod_quota: int | None = None
    down: bool = False
    refuse: list[Exception] = field(default_factory=list)
    objects: dict[Kind, dict[str, dict[str, Any]]] = field(
        default_factory=lambda: {"jobs": {}, "pods": {}}
    )
    created: list[str] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)
    logs: dict[str, bytes] = field(default_factory=dict)
    warnings: dict[str, list[str]] = field(default_factory=dict)
    config_maps: dict[str, str] = field(default_factory=dict)
    used: set[tuple[str, str, str]] = field(default_factory=set)
    lists: int = 0
    on_pod: Callable[[str], None] | None = None

    def __post_init__(self) -> None:
        self.changed = threading.Condition(threading.RLock())
        self._numbers = count(1)
        self._version = 100
        self._events: list[tuple[int, Kind, str, dict[str, Any]]] = []
        self._oldest = 0
        self._cut = 0
        self._closed = False

    # The API

    def create_job(self, body: Object) -> None:
        """Create a Job; its pod follows at once, where the quota allows it."""
        with self.changed:
            self._check("batch", "jobs", "create")
            name = body["metadata"]["name"]
            if self.refuse:
                raise self.refuse.pop(0)
            if name in self.objects["jobs"]:
                raise Refused(409, "AlreadyExists", f'jobs.batch "{name}" already exists')
            if self.job_quota is not None and len(self.objects["jobs"]) >= self.job_quota:
                raise Refused(403, "Forbidden", _over_quota("jobs.batch", name))
            job = deepcopy(dict(body))
            job["metadata"] |= {
                "uid": f"uid-{next(self._numbers)}",
                "creationTimestamp": self._now(),
            }
            job["status"] = {}
            self.created.append(name)
            self._put("jobs", job, "ADDED")
            self.make_pod(name)

    def delete_job(self, name: str) -> None:
        """Delete a Job, then its pods."""
        with self.changed:
            self._check("batch", "jobs", "delete")
            if name in self.objects["jobs"]:
                self.deleted.append(name)
                self._remove("jobs", name)
                for pod in self.pods_of(name):
                    self._remove("pods", pod)

    def list_all(self, kind: Kind, selector: str) -> Listed:
        """List."""
        with self.changed:
            self._check("batch" if kind == "jobs" else "", kind, "list")
            self.lists += 1
            found = [deepcopy(each) for each in self.objects[kind].values() if _has(each, selector)]
            return Listed(found, str(self._version))

    def watch(
        self,
        kind: Kind,
        selector: str,
        version: str,
        closed: Callable[[], bool] = lambda: False,
    ) -> Iterator[Event]:
        """Yield events after a version, until the server or (`closed`) the client ends the watch."""
        with self.changed:
            self._check("batch" if kind == "jobs" else "", kind, "watch")
            if int(version) < self._oldest:
                raise Gone(f"too old resource version: {version} ({self._oldest})")
            return self._follow(kind, selector, int(version), self._cut, closed)

    def _follow(
        self, kind: Kind, selector: str, seen: int, cut: int, closed: Callable[[], bool]
    ) -> Iterator[Event]:
        while True:
            with self.changed:
                self.changed.wait_for(
                    lambda seen=seen: (  # type: ignore[misc]
                        closed() or self._ended(cut) or self._version > seen
                    ),
                    _WATCH_SECONDS,
                )
                if closed() or self._ended(cut):
                    self._check_up()
                    return
                news = [each for each in self._events if each[0] > seen]
                bookmark = seen = self._version
            for _, of_kind, type, item in news:
                if of_kind == kind and _has(item, selector):
                    yield Event(type, deepcopy(item))  # type: ignore[arg-type]
            yield Event("BOOKMARK", {"metadata": {"resourceVersion": str(bookmark)}})

    def pod_log(self, pod: str, container: str) -> Iterator[bytes]:
        """Yield a log in pieces."""
        with self.changed:
            self._check("", "pods/log", "get")
            if pod not in self.objects["pods"]:
                raise Refused(404, "NotFound", f'pods "{pod}" not found')
            body = self.logs.get(pod, b"")
        for start in range(0, len(body), 1000):
            yield body[start : start + 1000]

    def events_of(self, name: str) -> Sequence[str]:
        """Return warnings."""
        with self.changed:
            self._check("", "events", "list")
            return list(self.warnings.get(name, []))

    def config_map_uid(self, name: str) -> str:
        """Return a uid."""
        with self.changed:
            self._check("", "configmaps", "get")
            if name not in self.config_maps:
                raise Refused(404, "NotFound", f'configmaps "{name}" not found')
            return self.config_maps[name]

    def close(self) -> None:
        """End all watches."""
        with self.changed:
            self._closed = True
            self.changed.notify_all()

    # What goes wrong

    def end_watches(self, *, forget: bool = False) -> None:
        """End all watches; `forget`: and what happened so far cannot be watched any more (410)."""
        with self.changed:
            self._cut += 1
            if forget:
                self._version += 1
                self._oldest = self._version
                self._events.clear()
            self.changed.notify_all()

    def _ended(self, cut: int) -> bool:
        return self._closed or self.down or cut != self._cut

    def _check(self, group: str, resource: str, verb: str) -> None:
        self._check_up()
        if verb not in self.role.get((group, resource), frozenset()):
            raise Refused(
                403,
                "Forbidden",
                f'{resource} is forbidden: User "system:serviceaccount:w:w" cannot {verb} resource '
                f'"{resource}" in API group "{group}" in the namespace "w"',
            )
        self.used.add((group, resource, verb))

    def _check_up(self) -> None:
        if self.down:
            raise Unavailable("connection refused")

    # The Job controller, the scheduler, the kubelet

    def make_pod(self, job_name: str) -> None:
        """Make a Job's pod, or warn that the quota is used up."""
        with self.changed:
            template = self.objects["jobs"][job_name]["spec"]["template"]
            pods = self.objects["pods"].values()
            alive = sum(_phase(pod) in {"Pending", "Running"} for pod in pods)
            if self.pod_quota is not None and alive >= self.pod_quota:
                self.warn(job_name, f"Error creating: {_over_quota('pods', job_name)}")
                return
            name = f"{job_name}-{next(self._numbers):05d}"
            pod = {
                "metadata": {
                    "name": name,
                    "labels": dict(template["metadata"]["labels"]),
                    "creationTimestamp": self._now(),
                },
                "spec": deepcopy(template["spec"]),
                "status": {"phase": "Pending", "conditions": []},
            }
            self._put("pods", pod, "ADDED")
        if self.on_pod is not None:
            self.on_pod(job_name)

    def warn(self, name: str, message: str) -> None:
        """Add a warning about an object."""
        self.warnings.setdefault(name, []).append(message)

    def begin(self, job_name: str) -> None:
        """The container runs."""
        self._status(job_name, phase="Running", state={"running": {"startedAt": START.format(1)}})

    def wait(self, job_name: str, reason: str, message: str = "") -> None:
        """The container does not start."""
        self._status(job_name, state={"waiting": {"reason": reason, "message": message}})

    def unschedulable(self, job_name: str, message: str) -> None:
        """No node takes the pod."""
        condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}
        self._status(job_name, conditions=[condition | {"message": message}])

    def end(
        self, job_name: str, code: int = 0, message: str = "", *, reason: str = "", log: bytes = b""
    ) -> None:
        """The container ends, and with it pod and Job."""
        with self.changed:
            (pod,) = self.pods_of(job_name)
            self.logs[pod] = log
            ended = {
                "exitCode": code,
                "reason": reason or ("Error" if code else "Completed"),
                "message": message,
                # As the kubelet tells it of a container that never began.
                "startedAt": "1970-01-01T00:00:00Z" if reason == "StartError" else START.format(1),
                "finishedAt": START.format(3),
            }
            phase = "Failed" if code else "Succeeded"
            self._status(job_name, phase=phase, state={"terminated": ended})
            if code:
                self.fail_job(job_name, "BackoffLimitExceeded", "Job has reached the backoff limit")
            else:
                self._condition(job_name, {"type": "Complete", "status": "True"})

    def end_pod(
        self, job_name: str, reason: str, message: str = "", disruption: str | None = None
    ) -> None:
        """The pod is ended from outside: its deadline, an eviction, its node's shutdown."""
        conditions = []
        if disruption is not None:
            conditions = [{"type": "DisruptionTarget", "status": "True", "message": disruption}]
        with self.changed:
            status = {"reason": reason, "message": message}
            self._status(job_name, phase="Failed", conditions=conditions, **status)
            self.fail_job(
                job_name, "PodFailurePolicy" if conditions else "BackoffLimitExceeded", ""
            )

    def lose_node(self, job_name: str) -> None:
        """The pod is gone with its node; the Job alone says why."""
        with self.changed:
            for pod in self.pods_of(job_name):
                self._remove("pods", pod)
            text = f"Pod {job_name} has condition DisruptionTarget matching FailJob rule at index 0"
            self.fail_job(job_name, "PodFailurePolicy", text)

    def fail_job(self, job_name: str, reason: str, message: str) -> None:
        """The Job fails."""
        failed = {"type": "Failed", "status": "True", "reason": reason, "message": message}
        self._condition(job_name, failed)

    def mark(self, kind: Kind, name: str, **metadata: Any) -> None:
        """Change an object's metadata."""
        with self.changed:
            item = deepcopy(self.objects[kind][name])
            item["metadata"] |= metadata
            self._put(kind, item, "MODIFIED")

    def pods_of(self, job_name: str) -> list[str]:
        """Return the names of a Job's pods."""
        return [name for name in self.objects["pods"] if name.rpartition("-")[0] == job_name]

    def _status(self, job_name: str, *, state: Any = None, **status: Any) -> None:
        with self.changed:
            (name,) = self.pods_of(job_name)
            pod = deepcopy(self.objects["pods"][name])
            pod["status"] |= status
            if state is not None:
                pod["status"]["containerStatuses"] = [{"name": "task", "state": state}]
            self._put("pods", pod, "MODIFIED")

    def _condition(self, job_name: str, condition: Mapping[str, str]) -> None:
        with self.changed:
            job = deepcopy(self.objects["jobs"][job_name])
            job["status"].setdefault("conditions", []).append(dict(condition))
            self._put("jobs", job, "MODIFIED")

    # The store

    @property
    def version(self) -> int:
        """The newest resource version."""
        return self._version

    def _now(self) -> str:
        return START.format(min(59, self._version % 60))

    def _put(self, kind: Kind, item: dict[str, Any], type: str) -> None:
        self._version += 1
        item["metadata"]["resourceVersion"] = str(self._version)
        self.objects[kind][item["metadata"]["name"]] = item
        self._tell(kind, type, item)

    def _remove(self, kind: Kind, name: str) -> None:
        self._version += 1
        item = self.objects[kind].pop(name)
        item["metadata"]["resourceVersion"] = str(self._version)
        self._tell(kind, "DELETED", item)

    def _tell(self, kind: Kind, type: str, item: dict[str, Any]) -> None:
        self._events.append((self._version, kind, type, deepcopy(item)))
        self.changed.notify_all()


@dataclass
class Connection:
    """One client of a cluster, which others go on to use after it is closed."""

    cluster: FakeCluster
    closed: bool = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self.cluster, name)

    def watch(self, kind: Kind, selector: str, version: str) -> Iterator[Event]:
        """Watch until closed."""
        return self.cluster.watch(kind, selector, version, lambda: self.closed)

    def close(self) -> None:
        """End this client's watches."""
        with self.cluster.changed:
            self.closed = True
            self.cluster.changed.notify_all()


def _phase(pod: Mapping[str, Any]) -> str:
    return str(pod["status"]["phase"])


def _has(item: Mapping[str, Any], selector: str) -> bool:
    labels = item["metadata"].get("labels") or {}
    return all(
        labels.get(name) == value
        for name, value in (part.split("=") for part in selector.split(","))
    )


def _over_quota(resource: str, name: str) -> str:
    return f'{resource} "{name}" is forbidden: exceeded quota: q, requested: 1, used: 1, limited: 1'
