"""What of Jobs and pods matters here, read from Kubernetes' JSON."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

from worker.containers.identity import (
    CONTAINER_NAME,
    NAME_LABEL,
    RUN_ID_ANNOTATION,
    Identity,
)
from worker.containers.ports import Object

_SUCCEEDED = ("Complete", "SuccessCriteriaMet")
_FAILED = ("Failed", "FailureTarget")


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSeen:
    """A Job. `failure`: why it failed, by the controller's word and text."""

    name: str
    identity: Identity | None
    run_id: str | None
    deleting: bool = False
    succeeded: bool = False
    failure: tuple[str, str] | None = None

    @classmethod
    def read(cls, raw: Object) -> Self:
        """Read a Job."""
        metadata = raw["metadata"]
        conditions = _conditions(raw)
        failed = next((conditions[name] for name in _FAILED if name in conditions), None)
        return cls(
            name=metadata["name"],
            identity=Identity.from_labels(metadata.get("labels") or {}),
            run_id=(metadata.get("annotations") or {}).get(RUN_ID_ANNOTATION),
            deleting="deletionTimestamp" in metadata,
            succeeded=any(name in conditions for name in _SUCCEEDED),
            failure=_told(failed),
        )

    @property
    def over(self) -> bool:
        """Tell whether nothing of it runs any more, or soon will not."""
        return self.succeeded or self.failure is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Exit:
    """How a container ended. `duration_ms` by the node's clock alone."""

    code: int
    reason: str = ""
    message: str = ""
    duration_ms: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class PodSeen:
    """A pod of a Job. `waiting`: why its container does not start; `disruption`: why it was told to go."""

    name: str
    job_name: str
    image: str = ""
    created_at: str = ""
    phase: str = "Pending"
    reason: str = ""
    message: str = ""
    deleting: bool = False
    running: bool = False
    disruption: str | None = None
    unschedulable: str | None = None
    waiting: tuple[str, str] | None = None
    exit: Exit | None = None

    @classmethod
    def read(cls, raw: Object) -> Self:
        """Read a pod."""
        metadata, status = raw["metadata"], raw.get("status") or {}
        conditions = _conditions(raw)
        state = _container_state(status.get("containerStatuses") or [])
        waiting, ended = state.get("waiting"), state.get("terminated")
        return cls(
            name=metadata["name"],
            job_name=(metadata.get("labels") or {}).get(NAME_LABEL, ""),
            image=_image(raw),
            created_at=metadata.get("creationTimestamp") or "",
            phase=status.get("phase") or "Pending",
            reason=status.get("reason") or "",
            message=status.get("message") or "",
            deleting="deletionTimestamp" in metadata,
            running="running" in state,
            disruption=_text(conditions.get("DisruptionTarget")),
            unschedulable=_unschedulable(raw),
            waiting=_told(waiting),
            exit=_exit(ended) if ended is not None else None,
        )

    @property
    def over(self) -> bool:
        """Tell whether its container has ended for good."""
        return self.phase in {"Succeeded", "Failed"}


def _conditions(raw: Object) -> dict[str, Mapping[str, Any]]:
    """Return the conditions that hold, by type."""
    found = (raw.get("status") or {}).get("conditions") or []
    return {each["type"]: each for each in found if each.get("status") == "True"}


def _told(status: Mapping[str, Any] | None) -> tuple[str, str] | None:
    """Return a reason and its text."""
    if status is None:
        return None
    return status.get("reason") or "", status.get("message") or ""


def _text(condition: Mapping[str, Any] | None) -> str | None:
    if condition is None:
        return None
    return condition.get("message") or condition.get("reason") or "no reason given"


def _unschedulable(raw: Object) -> str | None:
    for each in (raw.get("status") or {}).get("conditions") or []:
        if each["type"] == "PodScheduled" and each.get("status") == "False":
            return _text(each)
    return None


def _image(raw: Object) -> str:
    containers = (raw.get("spec") or {}).get("containers") or []
    return next((each["image"] for each in containers if each["name"] == CONTAINER_NAME), "")


def _container_state(statuses: Iterable[Mapping[str, Any]]) -> Mapping[str, Any]:
    for status in statuses:
        if status.get("name") == CONTAINER_NAME:
            return status.get("state") or {}
    return {}


def _exit(ended: Mapping[str, Any]) -> Exit:
    return Exit(
        code=int(ended.get("exitCode", 0)),
        reason=ended.get("reason") or "",
        message=ended.get("message") or "",
        duration_ms=_milliseconds(ended.get("startedAt"), ended.get("finishedAt")),
    )


def _milliseconds(start: str | None, stop: str | None) -> int:
    """Return how long something took; a container that never began is told to have begun in 1970."""
    if not start or not stop or start.startswith("1970-"):
        return 0
    spent = datetime.fromisoformat(stop) - datetime.fromisoformat(start)
    return max(0, round(spent.total_seconds() * 1000))
