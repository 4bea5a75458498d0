"""The worker's HTTP server, asked over a socket."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from dataclasses import dataclass
from http.client import HTTPConnection

import pytest

from tests.unit.worker.test_dispatch import Clock
from worker.health import Health
from worker.metrics import Meters
from worker.probes import NotServed, Probes


@dataclass
class Served:
    """A server, and what is behind it."""

    probes: Probes
    health: Health
    clock: Clock

    def get(self, path: str, host: str = "127.0.0.1") -> tuple[int, str]:
        connection = HTTPConnection(host, self.probes.port, timeout=10)
        connection.request("GET", path)
        response = connection.getresponse()
        try:
            return response.status, response.read().decode()
        finally:
            connection.close()


@pytest.fixture
def served() -> Iterator[Served]:
    clock = Clock()
    health = Health(clock)
    probes = Probes("127.0.0.1", 0, health, Meters())
    yield Served(probes, health, clock)
    probes.close()


def test_it_is_alive_and_not_ready_at_first(served: Served) -> None:
    assert served.get("/livez") == (200, "ok\n")
    assert served.get("/readyz") == (503, "starting: the handlers are being loaded\n")


def test_it_is_ready_once_it_can_receive_and_report(served: Served) -> None:
    served.health.started = True
    served.health.receive.went_well()
    served.health.heartbeat.went_well()
    assert served.get("/readyz?verbose") == (200, "ok\n")
    served.health.draining = True
    assert served.get("/readyz") == (503, "draining\n")
    assert served.get("/livez") == (200, "ok\n")


def test_the_stuck_part_is_named(served: Served) -> None:
    served.health.pulses.make("keeper of leases", 1.0).begin()
    served.clock.now += 3600
    status, body = served.get("/livez")
    assert status == 503
    assert body.startswith("keeper of leases is stuck: silent for 3600 s")


def test_metrics_are_in_prometheus_s_format(served: Served) -> None:
    status, body = served.get("/metrics")
    assert status == 200
    assert "# TYPE orchestrator_tasks_total counter" in body


@pytest.mark.parametrize("path", ["/", "/livez/", "/metrics/x"])
def test_other_paths_are_not_found(served: Served, path: str) -> None:
    assert served.get(path)[0] == 404


def test_a_client_that_says_nothing_holds_up_no_other(served: Served) -> None:
    with socket.create_connection(("127.0.0.1", served.probes.port)):
        assert served.get("/livez")[0] == 200


def test_a_port_that_is_taken_says_how_to_choose_another(served: Served) -> None:
    with pytest.raises(NotServed, match=f"127.0.0.1:{served.probes.port} .*WORKER_HTTP_PORT"):
        Probes("127.0.0.1", served.probes.port, served.health, Meters())


def test_an_address_of_another_machine_is_refused() -> None:
    with pytest.raises(NotServed, match="WORKER_HTTP_HOST"):
        Probes("192.0.2.1", 0, Health(Clock()), Meters())


def _has_ipv6() -> bool:
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


@pytest.mark.skipif(not _has_ipv6(), reason="this machine has no IPv6")
def test_both_families_are_served_where_the_machine_has_them() -> None:
    probes = Probes("::", 0, Health(Clock()), Meters())
    try:
        for host in ("127.0.0.1", "::1"):
            assert Served(probes, Health(Clock()), Clock()).get("/livez", host)[0] == 200
    finally:
        probes.close()
