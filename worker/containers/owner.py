"""Who owns the Jobs: a ConfigMap that the operator names, or nobody; never the worker's pod.

Kubernetes deletes what an owner owned. A Job must outlive the pod that created it, or every rollout would
kill what runs. A ConfigMap lives as long as the deployment is wanted: deleting it deletes all Jobs.
"""

from __future__ import annotations

from worker.clock import Clock
from worker.containers.ports import Cluster, Object

_FRESH_SECONDS = 60.0
"""The owner may be deleted and made anew, with another uid; Jobs of the old one would be deleted at once."""


class Owner:
    """Reads the owner's uid when it is asked for, and not again for a minute."""

    def __init__(self, cluster: Cluster, name: str | None, clock: Clock) -> None:
        self._cluster = cluster
        self._name = name
        self._clock = clock
        self._known: tuple[str, float] | None = None

    def reference(self) -> Object | None:
        """Return the owner reference of a new Job. Raises Unavailable and Refused."""
        if self._name is None:
            return None
        now = self._clock()
        if self._known is None or now - self._known[1] > _FRESH_SECONDS:
            self._known = (self._cluster.config_map_uid(self._name), now)
        return {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "name": self._name,
            "uid": self._known[0],
        }
