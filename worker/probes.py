"""The worker's own HTTP server: /livez and /readyz for the kubelet, /metrics for Prometheus."""

from __future__ import annotations

import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from typing import Any

from orchestrator.errors import OrchestratorError
from worker.health import Health
from worker.metrics import Meters

_REQUEST_SECONDS = 5.0
"""A client that says nothing for so long is left: each one costs a thread."""
_TEXT = "text/plain; charset=utf-8"
_METRICS = "text/plain; version=0.0.4; charset=utf-8"


class NotServed(OrchestratorError):
    """The address cannot be listened on."""


class Probes:
    """Listens from the start, so that the kubelet is told "starting" and not refused."""

    def __init__(self, host: str, port: int, health: Health, meters: Meters) -> None:
        """Begin to listen. Raises NotServed, saying which settings choose another address."""
        try:
            self._server = _server_class(host)((host, port), _handler_of(health, meters))
        except (OSError, OverflowError) as error:
            raise NotServed(
                f"{host}:{port} cannot be listened on ({error}): set WORKER_HTTP_PORT to a port that "
                "is free, 0 for any, or off, and WORKER_HTTP_HOST to an address of this machine"
            ) from error
        self._thread = threading.Thread(
            target=self._server.serve_forever, name="probes", daemon=True
        )
        self._thread.start()

    @property
    def port(self) -> int:
        """The port that was chosen."""
        return self._server.server_port

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def answer(path: str, health: Health, meters: Meters) -> tuple[int, str, bytes]:
    """Return status, content type and body of a GET."""
    match path.partition("?")[0]:
        case "/livez":
            return _verdict(health.stuck())
        case "/readyz":
            return _verdict(health.unready())
        case "/metrics":
            return 200, _METRICS, meters.text()
    return 404, _TEXT, b"there are /livez, /readyz and /metrics\n"


def _verdict(reasons: list[str]) -> tuple[int, str, bytes]:
    return (503 if reasons else 200), _TEXT, ("\n".join(reasons or ["ok"]) + "\n").encode()


def _handler_of(health: Health, meters: Meters) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        """One request."""

        timeout = _REQUEST_SECONDS

        def do_GET(self) -> None:
            status, kind, body = answer(self.path, health, meters)
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def version_string(self) -> str:
            return "worker"

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing: probes come every few seconds."""

    return Handler


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def server_bind(self) -> None:
        """Bind, without asking a name server who we are, which `HTTPServer` does and may wait for."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = "worker", self.socket.getsockname()[1]

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of clients that went away."""


class _Server6(_Server):
    """For pods of an IPv6 network; `::` takes IPv4 too, where the machine has it."""

    address_family = socket.AF_INET6

    def server_bind(self) -> None:
        """Bind for both families."""
        self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        super().server_bind()


def _server_class(host: str) -> type[_Server]:
    return _Server6 if ":" in host else _Server
