"""What Prometheus is told: counts as things happen, and gauges that are read when it asks.

All in a registry of the worker's own: nothing of the interpreter, the platform or other libraries.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Histogram, Info, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

_HANDLERS_MAX = 100
"""Handlers with series of their own: each has one for every outcome and bucket. Further ones share one."""
_OTHERS = "(others)"
_DURATIONS = (0.01, 0.1, 1.0, 10.0, 60.0, 300.0, 1_800.0, 7_200.0, 39_600.0)
"""Upper bounds in seconds, up to the longest time-out that a task may have."""


@dataclass(frozen=True, slots=True)
class Reading:
    """The worker at one moment. `oldest_report_seconds`: since the task ended whose report waits longest."""

    slots: int = 0
    slots_busy: int = 0
    messages_held: int = 0
    reports_waiting: int = 0
    oldest_report_seconds: float = 0.0


class Meters:
    """The counters, one object for one worker. Safe to use from all threads."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._handlers = set[str]()
        self._adding = threading.Lock()
        self._durations = Histogram(
            "orchestrator_task_duration_seconds",
            "How long tasks ran that ended here, by handler.",
            ["handler"],
            buckets=_DURATIONS,
            registry=self._registry,
        )
        count = self._counter
        self._tasks = count("tasks", "What came of tasks, by handler.", "handler", "outcome")
        self.receives = count("receives", "Calls that asked the queue for messages.", "result")
        self.received = count("messages_received", "Messages that the queue gave.")
        self.renewals = count("lease_renewals", "Leases of messages: renewed, failed.", "result")
        self.leases_lost = count("leases_lost", "Messages whose lease was lost while held.")
        self.api_calls = count("api_calls", "Calls of the work API.", "call", "result")
        self.reports = count("reports", "Reports, by the control plane's answer.", "status")
        self.given_back = count("tasks_given_back", "Tasks that the control plane took back.")
        self.deletes = count("deletes", "Messages deleted, refused or to be tried again.", "result")
        self.child_restarts = count("child_restarts", "Handler processes that were replaced.")

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"orchestrator_{name}", text, labels, registry=self._registry)

    def finished(self, handler: str, outcome: str, duration_ms: int) -> None:
        """A task ended here."""
        name = self._label_of(handler)
        self._tasks.labels(name, outcome).inc()
        self._durations.labels(name).observe(duration_ms / 1000)

    def left(self, handler: str, what: str, count: int) -> None:
        """Tasks left this worker without an end: given back, interrupted, dropped or lost."""
        if count:
            self._tasks.labels(self._label_of(handler), what).inc(count)

    def _label_of(self, handler: str) -> str:
        if handler in self._handlers:
            return handler
        with self._adding:
            if len(self._handlers) >= _HANDLERS_MAX:
                return _OTHERS
            self._handlers.add(handler)
            return handler

    def describe(self, version: str, read: Callable[[], Reading]) -> None:
        """Add what is known once the worker is put together: its version, and how to read it."""
        info = Info("orchestrator_worker", "The worker's version.", registry=self._registry)
        info.info({"version": version})
        self._registry.register(_Gauges(read))

    def text(self) -> bytes:
        """Return all of it in Prometheus's text format."""
        return generate_latest(_WithoutCreationTimes(self._registry))


class _WithoutCreationTimes(Collector):
    """Leaves out the time that each counter was made, which doubles the series and nobody asks for."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics."""
        for metric in self._registry.collect():
            metric.samples = [each for each in metric.samples if not each.name.endswith("_created")]
            yield metric


class _Gauges(Collector):
    """Values that cost nothing until they are asked for."""

    def __init__(self, read: Callable[[], Reading]) -> None:
        self._read = read

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield the present values."""
        now = self._read()
        for name, text, value in (
            ("slots", "Tasks that may run at once.", now.slots),
            ("slots_busy", "Slots that run a message.", now.slots_busy),
            ("messages_held", "Messages under lease.", now.messages_held),
            ("reports_waiting", "Reports and give-backs not answered yet.", now.reports_waiting),
            ("oldest_report_seconds", "Age of the oldest report.", now.oldest_report_seconds),
        ):
            yield GaugeMetricFamily(f"orchestrator_{name}", text, value=value)
