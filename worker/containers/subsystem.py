"""Container tasks, put together: what the worker's parts start, hand messages to and close."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass

from orchestrator.model.wire import RunningTask
from worker.clock import Clock
from worker.containers.board import Board
from worker.containers.calls import Calls
from worker.containers.finisher import Finisher
from worker.containers.identity import fleet_of, selector_of
from worker.containers.janitor import PASS_SECONDS, Janitor
from worker.containers.owner import Owner
from worker.containers.ports import Cluster, Files
from worker.containers.postponing import Postponing
from worker.containers.settings import ContainerSettings
from worker.containers.starter import Starter
from worker.containers.supervisor import TICK_SECONDS, Supervisor
from worker.containers.view import View
from worker.health import Pulses
from worker.held import Held
from worker.leases import Leases
from worker.log import Log
from worker.metrics import Meters
from worker.ports import Buckets, WorkApi
from worker.reporter import Reporter

_CLOSE_SECONDS = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Outside:
    """What containers need beside what all tasks need."""

    cluster: Cluster
    files: Files


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """The worker's own parts that containers share. `lease_seconds` is the length of a lease."""

    worker_id: str
    queue_url: str
    lease_seconds: float
    api: WorkApi
    buckets: Buckets
    leases: Leases
    reporter: Reporter
    on_message: Callable[[Held], None]
    stopping: threading.Event
    meters: Meters
    pulses: Pulses
    log: Log
    clock: Clock


class Containers:
    """`take` may be called by one thread, `running` by all."""

    def __init__(
        self,
        settings: ContainerSettings,
        outside: Outside,
        around: Surroundings,
        threads: Executor | None = None,
    ) -> None:
        self._threads = threads
        self._cluster = outside.cluster
        fleet, bell = fleet_of(around.queue_url), threading.Event()
        self.board = Board(settings.max_jobs)
        self.view = View(
            cluster=outside.cluster,
            selector=selector_of(fleet),
            on_change=lambda _: bell.set(),
            log=around.log,
            clock=around.clock,
            pulses=around.pulses,
        )
        postponing = Postponing(around.leases, around.reporter)
        self.supervisor = Supervisor(
            board=self.board,
            view=self.view,
            calls=self._make_calls(settings, outside, around, postponing, fleet, bell),
            postponing=postponing,
            settings=settings,
            leases=around.leases,
            reporter=around.reporter,
            on_message=around.on_message,
            stopping=around.stopping,
            bell=bell,
            log=around.log,
            clock=around.clock,
            pulse=around.pulses.make("containers", TICK_SECONDS),
        )
        self.janitor = self._make_janitor(outside, around)

    def start(self) -> None:
        """Begin to watch."""
        self.view.start()
        self.supervisor.start()
        self.janitor.start()

    def close(self) -> None:
        """End all threads; the containers run on."""
        self.janitor.close()
        self.supervisor.close(_CLOSE_SECONDS)
        self.view.close()
        self._cluster.close()

    def take(self, held: Held) -> None:
        """Look after a message's containers."""
        self.supervisor.take(held)

    @property
    def running(self) -> list[RunningTask]:
        """What is looked after now."""
        return self.supervisor.running

    def _make_calls(
        self,
        settings: ContainerSettings,
        outside: Outside,
        around: Surroundings,
        postponing: Postponing,
        fleet: str,
        bell: threading.Event,
    ) -> Calls:
        starter = Starter(
            cluster=outside.cluster,
            files=outside.files,
            buckets=around.buckets,
            settings=settings,
            fleet=fleet,
            owner=Owner(outside.cluster, settings.owner, around.clock).reference,
            log=around.log,
        )
        finisher = Finisher(
            cluster=outside.cluster,
            files=outside.files,
            settings=settings,
            reporter=around.reporter,
            meters=around.meters,
            log=around.log,
            clock=around.clock,
        )
        return Calls(
            cluster=outside.cluster,
            board=self.board,
            starter=starter,
            finisher=finisher,
            postponing=postponing,
            settings=settings,
            done=bell.set,
            log=around.log,
            clock=around.clock,
            threads=self._threads,
        )

    def _make_janitor(self, outside: Outside, around: Surroundings) -> Janitor:
        return Janitor(
            worker_id=around.worker_id,
            api=around.api,
            cluster=outside.cluster,
            view=self.view,
            knows=self.board.knows,
            strange_seconds=2 * around.lease_seconds,
            log=around.log,
            pulse=around.pulses.make("janitor", PASS_SECONDS),
        )
