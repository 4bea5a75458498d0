"""Kubernetes' API through its official client, which is loaded only here.

The client's own types are passed by: a watch of thousands of objects would spend its time on them.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, cast

from kubernetes import client, config
from kubernetes.client.exceptions import ApiException
from kubernetes.config.config_exception import ConfigException
from urllib3.exceptions import HTTPError

from worker.containers.informer import WATCH_SECONDS
from worker.containers.ports import Event, Gone, Kind, Listed, Object, Refused
from worker.ports import Unavailable

_CONNECT_SECONDS = 5.0
_CALL_SECONDS = 30.0
_WATCH_SPARE_SECONDS = 30.0
_PAGE = 500
_JSON = {"Content-Type": "application/json"}
"""The client does not say so by itself."""
_LATER = frozenset({408, 429})


def load_configuration() -> client.Configuration:
    """Return how the API is reached: from within a pod, else by KUBECONFIG. Raises Unavailable."""
    found, loaders = client.Configuration(), cast(Any, config)  # These are not typed.
    try:
        loaders.load_incluster_config(found)
    except ConfigException:
        try:
            loaders.load_kube_config(client_configuration=found)
        except (ConfigException, OSError, ValueError) as error:
            raise Unavailable(
                "CONTAINERS_ENABLED needs Kubernetes' API: this is no pod with a service account's token, "
                f"and there is no usable KUBECONFIG: {error}"
            ) from error
    return found


class KubernetesCluster:
    """One namespace. Safe to use from all threads."""

    def __init__(self, configuration: client.Configuration, namespace: str) -> None:
        configuration.retries = False  # The callers wait with jitter of their own.
        configuration.connection_pool_maxsize = 32
        api = client.ApiClient(configuration)
        # Asked for raw answers, they give others than their types say.
        self._batch: Any = client.BatchV1Api(api)
        self._core: Any = client.CoreV1Api(api)
        self._namespace = namespace
        self._lock = threading.Lock()
        self._streams: set[Any] = set()
        self._closed = False

    def create_job(self, body: Object) -> None:
        """Create a Job."""
        with _errors():
            answer = self._batch.create_namespaced_job(
                self._namespace, body, _headers={**_JSON}, **_raw(_CALL_SECONDS)
            )
            answer.drain_conn()

    def delete_job(self, name: str) -> None:
        """Delete a Job and, in the background, its pods."""
        try:
            with _errors():
                answer = self._batch.delete_namespaced_job(
                    name, self._namespace, propagation_policy="Background", **_raw(_CALL_SECONDS)
                )
                answer.drain_conn()
        except Refused as error:
            if error.status != 404 or error.reason != "NotFound":
                raise

    def list_all(self, kind: Kind, selector: str) -> Listed:
        """List the objects that have the labels, page by page."""
        items: list[Object] = []
        more: dict[str, Any] = {}
        while True:
            page = self._get(kind, label_selector=selector, limit=_PAGE, **more)
            items.extend(page.get("items") or [])
            token = page["metadata"].get("continue")
            if not token:
                return Listed(items, page["metadata"]["resourceVersion"])
            more = {"_continue": token}

    def _get(self, kind: Kind, **options: Any) -> Any:
        with _errors():
            answer = self._lister(kind)(self._namespace, **options, **_raw(_CALL_SECONDS))
            return json.loads(answer.data)

    def _lister(self, kind: Kind) -> Any:
        if kind == "jobs":
            return self._batch.list_namespaced_job
        return self._core.list_namespaced_pod

    def watch(self, kind: Kind, selector: str, version: str) -> Iterator[Event]:
        """Yield what changed since `version`."""
        with _errors():
            stream = self._lister(kind)(
                self._namespace,
                label_selector=selector,
                resource_version=version,
                watch=True,
                allow_watch_bookmarks=True,
                timeout_seconds=WATCH_SECONDS,
                **_raw(WATCH_SECONDS + _WATCH_SPARE_SECONDS),
            )
            with self._kept(stream):
                for line in _lines(stream.stream(None)):
                    yield _event(json.loads(line))

    def pod_log(self, pod: str, container: str) -> Iterator[bytes]:
        """Yield a container's log."""
        with _errors():
            stream = self._core.read_namespaced_pod_log(
                pod, self._namespace, container=container, **_raw(_CALL_SECONDS)
            )
            with self._kept(stream):
                yield from stream.stream(65_536)

    def events_of(self, name: str) -> Sequence[str]:
        """Return the messages of the warnings about an object, newest last."""
        with _errors():
            answer = self._core.list_namespaced_event(
                self._namespace,
                field_selector=f"involvedObject.name={name},type=Warning",
                limit=_PAGE,
                **_raw(_CALL_SECONDS),
            )
            events = json.loads(answer.data).get("items") or []
        events.sort(key=_happened_at)
        return [event.get("message") or event.get("reason") or "" for event in events]

    def config_map_uid(self, name: str) -> str:
        """Return the uid of a ConfigMap."""
        with _errors():
            answer = self._core.read_namespaced_config_map(
                name, self._namespace, **_raw(_CALL_SECONDS)
            )
            uid: str = json.loads(answer.data)["metadata"]["uid"]
        return uid

    def close(self) -> None:
        """End what is being watched."""
        with self._lock:
            self._closed = True
            streams = list(self._streams)
        for stream in streams:
            stream.shutdown()

    @contextmanager
    def _kept(self, stream: Any) -> Iterator[None]:
        """Keep a stream while it is read, so that `close` can end the wait for it."""
        with self._lock:
            if self._closed:
                raise Unavailable("the worker ends")
            self._streams.add(stream)
        try:
            yield
        finally:
            with self._lock:
                self._streams.discard(stream)
            stream.close()


def _raw(seconds: float) -> dict[str, Any]:
    return {"_preload_content": False, "_request_timeout": (_CONNECT_SECONDS, seconds)}


def _lines(chunks: Iterable[bytes]) -> Iterator[bytes]:
    rest = b""
    for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        yield from filter(None, lines)


def _event(raw: Any) -> Event:
    if raw["type"] == "ERROR":
        status = raw["object"]
        raise _error(int(status.get("code") or 500), status)
    return Event(raw["type"], raw["object"])


def _error(code: int, status: Any) -> Gone | Refused | Unavailable:
    reason, message = status.get("reason") or "", status.get("message") or ""
    if code == 410:
        return Gone(message)
    if code >= 500 or code in _LATER:
        return Unavailable(f"HTTP {code}: {reason}: {message}")
    return Refused(code, reason, message)


def _status(body: Any) -> Any:
    """Return the Status that an error's body holds; what is between may answer otherwise."""
    try:
        found = json.loads(body)
    except (TypeError, ValueError):
        return {"message": str(body)[:1000]}
    return found if isinstance(found, dict) else {"message": str(found)[:1000]}


def _happened_at(event: Any) -> str:
    metadata = event.get("metadata") or {}
    return (
        event.get("lastTimestamp")
        or event.get("eventTime")
        or metadata.get("creationTimestamp")
        or ""
    )


@contextmanager
def _errors() -> Iterator[None]:
    """Turn what the client and the network raise into our own errors."""
    try:
        yield
    except ApiException as error:
        raise _error(int(error.status or 500), _status(error.body)) from error
    except (HTTPError, OSError, ConfigException, KeyError, ValueError) as error:
        raise Unavailable(f"{type(error).__name__}: {error}") from error
