"""The Jobs and pods of this fleet as the informers have seen them, in memory."""

from __future__ import annotations

import threading
from collections.abc import Callable

from worker.clock import Clock
from worker.containers.informer import WATCH_SECONDS, Informer
from worker.containers.objects import JobSeen, PodSeen
from worker.containers.ports import Cluster, Kind, Object
from worker.health import Pulses
from worker.log import Log


class View:
    """Safe to use from all threads. A pod that is gone is kept, as it was last seen, while its Job is there."""

    def __init__(
        self,
        *,
        cluster: Cluster,
        selector: str,
        on_change: Callable[[str], None],
        log: Log,
        clock: Clock,
        pulses: Pulses,
    ) -> None:
        self._on_change = on_change
        self._clock = clock
        self._lock = threading.Lock()
        self._jobs: dict[str, tuple[JobSeen, float]] = {}
        self._pods: dict[str, dict[str, PodSeen]] = {}
        keepers: dict[Kind, Callable[[Object, bool], None]] = {
            "jobs": self._keep_job,
            "pods": self._keep_pod,
        }
        self._informers = [
            Informer(
                kind=kind,
                selector=selector,
                cluster=cluster,
                on_change=keep,
                log=log,
                clock=clock,
                pulse=pulses.make(f"informer of {kind}", WATCH_SECONDS),
            )
            for kind, keep in keepers.items()
        ]

    def start(self) -> None:
        """Begin to list and to watch."""
        for informer in self._informers:
            informer.start()

    def close(self) -> None:
        """Watch no more."""
        for informer in self._informers:
            informer.close()

    def job(self, name: str) -> JobSeen | None:
        """Return a Job, None where there is none."""
        seen = self._jobs.get(name)
        return seen[0] if seen else None

    def pods(self, name: str) -> list[PodSeen]:
        """Return a Job's pods."""
        with self._lock:
            return list(self._pods.get(name, {}).values())

    def unfinished(self, seconds: float) -> list[JobSeen]:
        """Return the Jobs that have not ended and were first seen at least `seconds` ago."""
        with self._lock:
            before = self._clock() - seconds
            return [job for job, at in self._jobs.values() if at <= before and not job.over]

    def _keep_job(self, raw: Object, exists: bool) -> None:
        name = raw["metadata"]["name"]
        with self._lock:
            if exists:
                _, since = self._jobs.get(name, (None, self._clock()))
                self._jobs[name] = (JobSeen.read(raw), since)
            else:
                self._jobs.pop(name, None)
                self._pods.pop(name, None)
        self._on_change(name)

    def _keep_pod(self, raw: Object, exists: bool) -> None:
        pod = PodSeen.read(raw)
        with self._lock:
            if exists or (pod.job_name in self._jobs and "status" in raw):
                self._pods.setdefault(pod.job_name, {})[pod.name] = pod
            elif pod.job_name not in self._jobs:
                self._pods.get(pod.job_name, {}).pop(pod.name, None)
                if not self._pods.get(pod.job_name):
                    self._pods.pop(pod.job_name, None)
        self._on_change(pod.job_name)
