"""A fake cluster behind HTTP, as Kubernetes' API has it: paths, Status objects, pages, streams in chunks."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import chain
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.unit.containers.fake_cluster import FakeCluster
from worker.containers.ports import Gone, Kind, Refused
from worker.ports import Unavailable

_PATH = re.compile(r"/(?:api/v1|apis/(?P<group>\w+)/v1)/namespaces/w/(?P<kind>\w+)(?P<rest>/.*)?")


class ApiServer(ThreadingHTTPServer):
    """`seen` are the requests; `page` is how many objects a page of a list has at most."""

    daemon_threads = True

    def __init__(self, cluster: FakeCluster, page: int = 500) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.cluster, self.page = cluster, page
        self.seen: list[tuple[str, str, dict[str, str], Any]] = []
        self.raw: list[bytes] = []
        self.lists: dict[str, list[Any]] = {}

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: ApiServer

    def log_message(self, format: str, *args: Any) -> None:
        """Print nothing."""

    def do_POST(self) -> None:
        self._answer(lambda kind, rest, query, body: self._create(body))

    def do_DELETE(self) -> None:
        self._answer(lambda kind, rest, query, body: self._delete(rest, query))

    def do_GET(self) -> None:
        self._answer(self._get)

    def _answer(self, act: Any) -> None:
        split = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(split.query).items()}
        text = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        body = json.loads(text) if text else None
        self.server.seen.append((self.command, split.path, query, body))
        found = _PATH.fullmatch(split.path)
        try:
            if self.server.raw:
                self._send(502, self.server.raw.pop(0), "text/html")
            elif found is None:
                raise Refused(404, "NotFound", f"no such path: {split.path}")
            else:
                act(found["kind"], found["rest"] or "", query, body)
        except Refused as error:
            self._status(error.status, error.reason, str(error))
        except Gone as error:
            self._status(410, "Expired", str(error))
        except Unavailable as error:
            self._status(503, "ServiceUnavailable", str(error))

    def _create(self, body: Any) -> None:
        if self.headers["Content-Type"] != "application/json":
            raise Refused(415, "UnsupportedMediaType", "the body's type is not known")
        self.server.cluster.create_job(body)
        self._json(self.server.cluster.objects["jobs"][body["metadata"]["name"]], 201)

    def _delete(self, rest: str, query: dict[str, str]) -> None:
        name = rest.removeprefix("/")
        assert query["propagationPolicy"] == "Background", "pods would stay"
        if name not in self.server.cluster.objects["jobs"]:
            self.server.cluster.delete_job(name)
            raise Refused(404, "NotFound", f'jobs.batch "{name}" not found')
        self.server.cluster.delete_job(name)
        self._json({"kind": "Status", "status": "Success"})

    def _get(self, kind: str, rest: str, query: dict[str, str], body: Any) -> None:
        cluster, name = self.server.cluster, rest.removeprefix("/")
        if kind == "pods" and rest.endswith("/log"):
            chunks = cluster.pod_log(name.removesuffix("/log"), query["container"])
            first = next(chunks, b"")  # What is wrong shows before the answer begins.
            self._stream(chain([first], chunks), "text/plain")
        elif kind == "events":
            selector = dict(part.split("=") for part in query["fieldSelector"].split(","))
            assert selector.pop("type") == "Warning"
            self._json({"items": _events(cluster.events_of(selector["involvedObject.name"]))})
        elif kind == "configmaps":
            self._json({"metadata": {"name": name, "uid": cluster.config_map_uid(name)}})
        elif query.get("watch") == "true":
            self._watch(_kind(kind), query)
        else:
            self._list(_kind(kind), query)

    def _list(self, kind: Kind, query: dict[str, str]) -> None:
        if "continue" in query:
            listed = self.server.lists[query["continue"]]
        else:
            found = self.server.cluster.list_all(kind, query["labelSelector"])
            listed = [found.version, list(found.items)]
        size = min(self.server.page, int(query["limit"]))
        version, items = listed[0], listed[1]
        token = f"token-{len(self.server.lists)}" if len(items) > size else ""
        if token:
            self.server.lists[token] = [version, items[size:]]
        metadata = {"resourceVersion": version, **({"continue": token} if token else {})}
        self._json({"metadata": metadata, "items": items[:size]})

    def _watch(self, kind: Kind, query: dict[str, str]) -> None:
        """Send a line an event, cut at any byte; an expired version is an event of its own."""
        selector, version = query["labelSelector"], query["resourceVersion"]
        try:
            events = self.server.cluster.watch(kind, selector, version)
        except Gone as error:
            status = {"code": 410, "reason": "Expired", "message": str(error)}
            self._stream(iter([_line("ERROR", status)]), "application/json")
            return
        lines = (_line(event.type, event.object) for event in events)
        self._stream((part for line in lines for part in (line[:7], line[7:])), "application/json")

    def _stream(self, chunks: Iterator[bytes], content_type: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", content_type)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        try:
            for chunk in chunks:
                if chunk:
                    self.wfile.write(b"%x\r\n%b\r\n" % (len(chunk), chunk))
                    self.wfile.flush()
            self.wfile.write(b"0\r\n\r\n")
        except (BrokenPipeError, ConnectionResetError, Unavailable):
            self.close_connection = True

    def _json(self, body: Any, status: int = 200) -> None:
        self._send(status, json.dumps(body).encode(), "application/json")

    def _status(self, code: int, reason: str, message: str) -> None:
        body = {"kind": "Status", "status": "Failure", "code": code, "reason": reason}
        self._json(body | {"message": message}, code)

    def _send(self, status: int, body: bytes, content_type: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def _line(type: str, item: Any) -> bytes:
    return json.dumps({"type": type, "object": item}).encode() + b"\n"


def _kind(name: str) -> Kind:
    return "jobs" if name == "jobs" else "pods"


def _events(messages: Any) -> list[Any]:
    """Return events newest first, as nothing promises an order."""
    return [
        {"message": text, "lastTimestamp": f"2026-01-01T00:00:{number:02d}Z"}
        for number, text in reversed(list(enumerate(messages)))
    ]


@contextmanager
def serve(cluster: FakeCluster, page: int = 500) -> Iterator[ApiServer]:
    """Serve a cluster on loopback."""
    server = ApiServer(cluster, page)
    thread = threading.Thread(target=server.serve_forever, args=[0.02], daemon=True)
    thread.start()
    try:
        yield server
    finally:
        cluster.close()
        server.shutdown()
        server.server_close()
        thread.join(5)
