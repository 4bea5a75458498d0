"""Containers on fakes: a desk that goes step by step on a clock of its own, and whole workers."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from orchestrator.model.lanes import Lane
from orchestrator.model.wire import JobInfo, TaskMessage
from tests.unit.containers.fake_cluster import Connection, FakeCluster
from tests.unit.containers.fake_files import FakeFiles
from tests.unit.worker.conftest import JOB, Lines, make_settings, poll
from tests.unit.worker.fakes.api import FakeApi
from tests.unit.worker.fakes.buckets import FakeBuckets
from tests.unit.worker.fakes.queue import FakeQueue
from worker.api import Json
from worker.containers.identity import Identity
from worker.containers.ports import Cluster
from worker.containers.settings import ContainerSettings
from worker.containers.subsystem import Containers, Outside, Surroundings
from worker.core import Worker
from worker.entries import GiveBack, RunReport
from worker.health import Pulses
from worker.held import Held
from worker.leases import Leases
from worker.log import Log
from worker.metrics import Meters
from worker.parts import Parts
from worker.reporter import Reporter

IMAGE = "registry.example/team/app:1"
QUEUE_URL = "https://queue.example/123/tasks"


def make_container_settings(**changes: Any) -> ContainerSettings:
    values = {"namespace": "w", "images": ("registry.example/team",), **changes}
    return ContainerSettings(**values)


def container_message(*items: Json, **changes: Any) -> TaskMessage:
    """Return a message of as many containers as there are items."""
    values: dict[str, Any] = {
        "job": JOB,
        "gen": 1,
        "attempt": 1,
        "start": 0,
        "stop": len(items),
        "handler": "container",
        "timeout_seconds": 30.0,
        "inputs": list(items),
    }
    return TaskMessage(**{**values, **changes})


def name_of(index: int = 0, *, attempt: int = 1, gen: int = 1, interruptions: int = 0) -> str:
    return Identity(JOB, index, gen, attempt, interruptions).name


class Inline(Executor):
    """Carries out what it is given at once."""

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_result(fn(*args, **kwargs))
        return future


@dataclass
class Said:
    """What a reporter was told."""

    reports: list[RunReport] = field(default_factory=list)
    given_back: list[GiveBack] = field(default_factory=list)
    dropped: list[int] = field(default_factory=list)
    forgotten: list[Held] = field(default_factory=list)

    def report(self, report: RunReport) -> None:
        self.reports.append(report)

    def give_back(self, give_back: GiveBack) -> None:
        self.given_back.append(give_back)

    def drop(self, held: Held, indexes: list[int]) -> None:
        self.dropped += indexes

    def forget(self, held: Held) -> None:
        self.forgotten.append(held)


@dataclass
class Desk:
    """One worker's containers, whose supervisor looks when it is told to."""

    cluster: FakeCluster
    files: FakeFiles
    queue: FakeQueue
    api: FakeApi
    lines: Lines
    settings: ContainerSettings = field(default_factory=make_container_settings)
    now: float = 1_000.0

    def __post_init__(self) -> None:
        log, self.said, self.buckets = Log(write=self.lines.write), Said(), FakeBuckets()
        self.leases = Leases({Lane.ORDINARY: self.queue}, log, 1e9, self.clock, Meters())
        self.stopping = threading.Event()
        around = Surroundings(
            worker_id="w-1",
            queue_url=QUEUE_URL,
            lease_seconds=60,
            api=self.api,
            buckets=self.buckets,
            leases=self.leases,
            reporter=cast(Reporter, self.said),
            on_message=lambda _: None,
            stopping=self.stopping,
            meters=Meters(),
            pulses=Pulses(self.clock),
            log=log,
            clock=self.clock,
        )
        outside = Outside(cluster=cast(Cluster, Connection(self.cluster)), files=self.files)
        self.containers = Containers(self.settings, outside, around, Inline())
        self.containers.view.start()

    def clock(self) -> float:
        return self.now

    def take(
        self, *items: Json, parameters: Json = None, receive_count: int = 0, **changes: Any
    ) -> Held:
        """Receive a message of container tasks and take it in."""
        body = container_message(*(items or [{"image": IMAGE}]), **changes)
        self.queue.send(body, receive_count=receive_count)
        (received,) = self.queue.receive(1)
        info = self.api.jobs[JOB].model_copy(update={"parameters": parameters})
        held = Held(
            received=received,
            message=body,
            renewed_at=self.now,
            unsettled=set(body.tasks()),
            info=JobInfo.model_validate(info),
        )
        self.leases.hold(held)
        self.containers.take(held)
        self.look()
        return held

    def look(self, seconds: float = 0.0) -> None:
        """Look at the runs until nothing more follows, and again after so many seconds."""
        for passed in (0.0, seconds):
            self.now += passed
            for _ in range(4):
                self.catch_up()
                self.containers.supervisor.turn()

    def catch_up(self) -> None:
        """Wait until the informers have seen what happened."""
        poll(lambda: all(self._has_seen(each) for each in self.containers.view._informers))

    def _has_seen(self, informer: Any) -> bool:
        return int(informer._version or 0) >= self.cluster.version

    def job(self, name: str = "") -> dict[str, Any]:
        return self.cluster.objects["jobs"][name or name_of()]

    @property
    def report(self) -> RunReport:
        """The only report."""
        (report,) = self.said.reports
        return report


@pytest.fixture
def cluster() -> FakeCluster:
    return FakeCluster()


@pytest.fixture
def files() -> FakeFiles:
    return FakeFiles()


@pytest.fixture
def make_desk(
    cluster: FakeCluster, files: FakeFiles, lines: Lines
) -> Iterator[Callable[..., Desk]]:
    desks: list[Desk] = []

    def make(**settings: Any) -> Desk:
        api = FakeApi()
        api.add_job(JOB)
        chosen = make_container_settings(**settings)
        desks.append(Desk(cluster, files, FakeQueue(), api, lines, chosen))
        return desks[-1]

    yield make
    for desk in desks:
        desk.containers.close()


@pytest.fixture
def desk(make_desk: Callable[..., Desk]) -> Desk:
    return make_desk()


@pytest.fixture
def lines() -> Lines:
    return Lines()


@dataclass
class Workers:
    """Whole workers on one queue, one control plane and one cluster."""

    cluster: FakeCluster
    files: FakeFiles
    lines: Lines
    queue: FakeQueue = field(default_factory=FakeQueue)
    api: FakeApi = field(default_factory=FakeApi)
    running: list[tuple[Worker, Parts, threading.Thread]] = field(default_factory=list)

    def start(self, **changes: Any) -> Parts:
        """Start a worker."""
        changes.setdefault("containers", make_container_settings())
        settings = make_settings(queue_url=QUEUE_URL, **changes)
        log = Log(write=self.lines.write)
        parts = Parts(
            settings,
            self.queue,
            self.api,
            FakeBuckets(),
            log,
            flush_seconds=0.05,
            outside=Outside(cluster=cast(Cluster, Connection(self.cluster)), files=self.files),
        )
        worker = Worker(parts, log, 5.0)
        thread = threading.Thread(target=worker.run, daemon=True)
        thread.start()
        self.running.append((worker, parts, thread))
        return parts

    def stop(self) -> None:
        """End all workers."""
        for worker, _, _ in self.running:
            worker.stop()
        for _, _, thread in self.running:
            thread.join(20)
            assert not thread.is_alive()
        self.running.clear()

    def wait_for_jobs(self, count: int) -> None:
        """Wait until so many Jobs were created."""
        poll(lambda: len(self.cluster.created) >= count)


@pytest.fixture
def workers(cluster: FakeCluster, files: FakeFiles, lines: Lines) -> Iterator[Workers]:
    made = Workers(cluster, files, lines)
    made.api.add_job(JOB)
    made.api.jobs[JOB] = made.api.jobs[JOB].model_copy(update={"parameters": {"image": IMAGE}})
    yield made
    made.stop()
