"""Begin a container: from a message's task to a Job, or to why there can be none."""

from __future__ import annotations

from collections.abc import Callable

from orchestrator.model.container import Container, read_container
from orchestrator.model.states import Outcome
from worker.api import Json
from worker.containers.allowed import refusal_of
from worker.containers.manifest import INPUT_ENV_MAX_BYTES, Order, input_of, job_body
from worker.containers.ports import Cluster, Files, Object, Refused
from worker.containers.run import Run
from worker.containers.settings import ContainerSettings
from worker.containers.verdict import Over
from worker.inputs import inputs_of
from worker.log import Log
from worker.ports import Buckets, Unavailable

LINK_SPARE_SECONDS = 3_600
LINK_MAX_SECONDS = 604_800
"""S3's own limit; a link dies with the credentials that signed it, too."""


class Starter:
    """Raises Unavailable and Refused where another try may work."""

    def __init__(
        self,
        *,
        cluster: Cluster,
        files: Files,
        buckets: Buckets,
        settings: ContainerSettings,
        fleet: str,
        owner: Callable[[], Object | None],
        log: Log,
    ) -> None:
        self._cluster = cluster
        self._files = files
        self._buckets = buckets
        self._settings = settings
        self._fleet = fleet
        self._owner = owner
        self._log = log

    def start(self, run: Run) -> Over | None:
        """Create the Job, unless it is there already; return how the run ended where there can be none."""
        try:
            item = inputs_of(run.held.message, self._buckets)[run.identity.index]
        except (FileNotFoundError, ValueError) as error:
            return _hopeless("InputMissing", f"the task's input cannot be read: {error}")
        try:
            container = read_container(_parameters(run), item)
        except ValueError as error:
            return _hopeless("InvalidInput", f"this is no container: {error}")
        refusal = refusal_of(container, self._settings)
        if refusal is not None:
            return _hopeless("NotAllowed", refusal)
        return self._create(
            run, job_body(self._order(run, container), self._settings, self._owner())
        )

    def _order(self, run: Run, container: Container) -> Order:
        timeout = container.timeout_seconds or run.held.message.timeout_seconds
        seconds = int(timeout) + self._settings.pending_seconds + LINK_SPARE_SECONDS
        seconds = min(seconds, LINK_MAX_SECONDS)
        body, input_url = input_of(container).encode(), None
        if len(body) > INPUT_ENV_MAX_BYTES:
            key = run.key(".input.json")
            self._files.put(key, body, "application/json")
            input_url = self._files.link(key, "GET", seconds)
        return Order(
            identity=run.identity,
            container=container,
            run_id=run.run_id,
            fleet=self._fleet,
            timeout_seconds=timeout,
            result_url=self._files.link(run.key(".upload"), "PUT", seconds),
            input_url=input_url,
        )

    def _create(self, run: Run, body: Object) -> Over | None:
        try:
            self._cluster.create_job(body)
        except Refused as error:
            return self._refused(run, error)
        self._log.info("container_created", **run.names)
        return None

    def _refused(self, run: Run, error: Refused) -> Over | None:
        if error.reason == "AlreadyExists":
            self._log.info("container_adopted", **run.names)
            return None
        if error.is_quota or error.is_ours:
            raise error
        if error.status == 409:
            raise Unavailable(f"{error.reason}: {error}") from error
        return _hopeless("JobRefused", f"Kubernetes refused the Job: {error.reason}: {error}")


def _hopeless(type: str, message: str) -> Over:
    return Over(outcome=Outcome.FAILED, type=type, message=message, retryable=False)


def _parameters(run: Run) -> Json:
    return run.held.info.parameters if run.held.info else None
