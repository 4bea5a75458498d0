"""What container tasks need of the world: Kubernetes' API, and keys of the results bucket."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from orchestrator.errors import OrchestratorError

_OF_THE_WORKER = re.compile(r'User ".*" cannot \w+ resource|because it is being terminated')
"""How a 403 reads where the role lacks a verb, or the namespace is being deleted."""

type Object = Mapping[str, Any]
"""An object of Kubernetes' API, as its JSON says."""
type Kind = Literal["jobs", "pods"]


class Gone(OrchestratorError):
    """The resource version is too old to watch from: list again (410)."""


class Refused(OrchestratorError):
    """Kubernetes answered 4xx: `reason` is its word for it (AlreadyExists, Invalid, Forbidden, ...)."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason

    @property
    def is_quota(self) -> bool:
        """Tell whether the namespace's quota is used up, which passes."""
        return self.status == 403 and "exceeded quota" in str(self)

    @property
    def is_ours(self) -> bool:
        """Tell whether the worker is at fault (its role, its token, its namespace), not the container."""
        return self.status in {401, 404, 405, 406, 415} or (
            self.status == 403 and _OF_THE_WORKER.search(str(self)) is not None
        )


@dataclass(frozen=True, slots=True)
class Listed:
    """What a list found, at a resource version from which it can be watched."""

    items: Sequence[Object]
    version: str


@dataclass(frozen=True, slots=True)
class Event:
    """A change of an object; BOOKMARK brings nothing but a newer resource version."""

    type: Literal["ADDED", "MODIFIED", "DELETED", "BOOKMARK"]
    object: Object


class Cluster(Protocol):
    """One namespace of a cluster. Every method raises worker.ports.Unavailable and Refused."""

    def create_job(self, body: Object) -> None:
        """Create a Job."""
        ...

    def delete_job(self, name: str) -> None:
        """Delete a Job and, in the background, its pods; one that is not there is deleted."""
        ...

    def list_all(self, kind: Kind, selector: str) -> Listed:
        """List the objects that have the labels."""
        ...

    def watch(self, kind: Kind, selector: str, version: str) -> Iterator[Event]:
        """Yield what changed since `version`, until the server ends it. Raises Gone."""
        ...

    def pod_log(self, pod: str, container: str) -> Iterator[bytes]:
        """Yield a container's log."""
        ...

    def events_of(self, name: str) -> Sequence[str]:
        """Return the messages of the warnings about an object, newest last."""
        ...

    def config_map_uid(self, name: str) -> str:
        """Return the uid of a ConfigMap."""
        ...

    def close(self) -> None:
        """End what is being watched."""
        ...


class Files(Protocol):
    """Keys of the results bucket. Every method raises worker.ports.Unavailable."""

    def put(self, key: str, body: bytes, content_type: str) -> None:
        """Write an object."""
        ...

    def read(self, key: str, limit: int) -> bytes | None:
        """Read an object, None where there is none; of a longer one only `limit` bytes."""
        ...

    def link(self, key: str, method: Literal["GET", "PUT"], seconds: int) -> str:
        """Return a URL that reads or writes the object, without credentials, for that long at most."""
        ...
