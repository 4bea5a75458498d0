"""The parts of a worker, put together."""

from __future__ import annotations

import math
import tempfile
import threading
from collections.abc import Callable
from shutil import rmtree

from orchestrator.model.container import CONTAINER_HANDLER
from orchestrator.model.lanes import Lane
from orchestrator.model.wire import RunningTask
from worker.admission import Admission
from worker.alone import Alone
from worker.clock import clock
from worker.containers.subsystem import Containers, Outside, Surroundings
from worker.deletions import Deletions
from worker.dispatch import Dispatch
from worker.executor import Executor
from worker.health import Health, Line, Pulse
from worker.heartbeat import IDLE_SECONDS, Heart, worker_version
from worker.held import Held
from worker.jobs import Jobs
from worker.keeper import TICK_SECONDS, Keeper
from worker.leases import Leases
from worker.log import Log
from worker.metered import MeteredApi, MeteredQueue
from worker.metrics import Meters, Reading
from worker.outbound import FLUSH_SECONDS, Outbound
from worker.poller import WAIT_SECONDS, Handover, Poller
from worker.pool.children import Children
from worker.pool.conversation import Limits
from worker.pool.process import PoolSettings
from worker.ports import Buckets, TaskQueue, WorkApi
from worker.processes import adopt_orphans
from worker.quiet import Quiet
from worker.registry import installed_sources
from worker.reporter import Reporter
from worker.settings import Settings
from worker.slot import Slot
from worker.touched import TouchedNodes

_CLOSE_SECONDS = 3.0
_LOOK_SECONDS = 0.2


class Parts:
    """What a worker is made of; `start` and `close` keep the order."""

    def __init__(
        self,
        settings: Settings,
        queue: TaskQueue,
        api: WorkApi,
        buckets: Buckets,
        log: Log,
        *,
        limits: Limits | None = None,
        flush_seconds: float = FLUSH_SECONDS,
        until_empty: bool = False,
        health: Health | None = None,
        meters: Meters | None = None,
        outside: Outside | None = None,
        express: TaskQueue | None = None,
    ) -> None:
        self._settings = settings
        self._until_empty = until_empty
        self.health = health or Health(clock)
        self.meters = meters or Meters()
        self._queues = self._make_queues(queue, express)
        self._api = MeteredApi(api, self.health, self.meters)
        self._buckets = buckets
        self._log = log
        self._limits = limits or Limits(memory_bytes=settings.memory_bytes)
        self._scratch = tempfile.mkdtemp(prefix="worker-")
        self.stopping = threading.Event()
        self.touched = TouchedNodes(clock)
        self.jobs = Jobs(clock)
        self.leases = Leases(self._queues, log, settings.lease_seconds, clock, self.meters)
        self.dispatch = Dispatch(settings.slots, clock, settings.express_slots)
        self.reporter = self._make_reporter(
            Outbound(clock, flush_seconds, idle=lambda: self.dispatch.busy == 0)
        )
        self.containers = self._make_containers(outside)
        self.admission = self._make_admission()
        self.handover = Handover(self.dispatch, self.reporter, log)
        self.quiet = self._make_quiet()
        self.alone, self.pollers = self._make_pollers()
        self.heart = self._make_heart()
        self.keeper = self._make_keeper()
        self.slots = [self._make_slot(number) for number in range(self._all_slots)]
        self.meters.describe(worker_version(), self._reading)

    def start(self, unwanted: Callable[[], bool] = lambda: False) -> list[str] | None:
        """Start all, the poller last; return the names of the handlers. Raises ChildUnusable.

        None: the worker became `unwanted` while they were loaded; nothing was received.
        """
        adopt_orphans()
        for slot in self.slots:
            slot.start()
        for slot in self.slots:
            while not slot.await_start(_LOOK_SECONDS):
                if unwanted():
                    return None
        handlers = sorted({*self._container_handler, *(n for s in self.slots for n in s.handlers)})
        self.admission.handlers = frozenset(handlers)
        self.keeper.start()
        self.reporter.start()
        if self.containers is not None:
            self.containers.start()
        self.heart.start(handlers, self.slots[0].schemas)
        for poller in self.pollers:
            poller.start()
        self.health.started = True
        return handlers

    def close(self) -> None:
        """End all; what is still held is left to its lease's end."""
        self.dispatch.close()
        for slot in self.slots:
            slot.join(_CLOSE_SECONDS)
        if self.containers is not None:
            self.containers.close()
        self.heart.close(_CLOSE_SECONDS)
        self.reporter.close()
        self.keeper.close()
        rmtree(self._scratch, ignore_errors=True)

    def _reading(self) -> Reading:
        waiting, oldest_seconds = self.reporter.backlog()
        return Reading(
            slots=len(self.slots),
            slots_busy=self.dispatch.busy,
            messages_held=len(self.leases.all()),
            reports_waiting=waiting,
            oldest_report_seconds=oldest_seconds,
        )

    def _running(self) -> list[RunningTask]:
        found = [slot.executor.running for slot in self.slots]
        containers = self.containers.running if self.containers is not None else []
        return [*containers, *(task for task in found if task is not None)]

    @property
    def _container_handler(self) -> list[str]:
        return [CONTAINER_HANDLER] if self.containers is not None else []

    def _note_job(self, held: Held) -> None:
        self.heart.note_job(held.message.job)

    def _make_reporter(self, outbound: Outbound) -> Reporter:
        return Reporter(
            worker_id=self._settings.worker_id,
            api=self._api,
            leases=self.leases,
            deletions=Deletions(self._queues, self.leases, self._log, self.meters),
            touched=self.touched,
            outbound=outbound,
            log=self._log,
            clock=clock,
            meters=self.meters,
            pulses=self.health.pulses,
        )

    def _make_containers(self, outside: Outside | None) -> Containers | None:
        """Make what runs containers, where they are enabled."""
        if self._settings.containers is None or outside is None:
            return None
        around = Surroundings(
            worker_id=self._settings.worker_id,
            queue_url=self._settings.queue_url,
            lease_seconds=self._settings.lease_seconds,
            api=self._api,
            buckets=self._buckets,
            leases=self.leases,
            reporter=self.reporter,
            on_message=self._note_job,
            stopping=self.stopping,
            meters=self.meters,
            pulses=self.health.pulses,
            log=self._log,
            clock=clock,
        )
        return Containers(self._settings.containers, outside, around)

    def _make_admission(self) -> Admission:
        return Admission(
            worker_id=self._settings.worker_id,
            api=self._api,
            jobs=self.jobs,
            leases=self.leases,
            reporter=self.reporter,
            log=self._log,
            stopping=self.stopping,
            take_container=self.containers.take if self.containers is not None else None,
        )

    def _make_queues(self, queue: TaskQueue, express: TaskQueue | None) -> dict[Lane, TaskQueue]:
        """Meter the queues, by lane; without an express queue there is one lane."""
        queues: dict[Lane, TaskQueue] = {
            Lane.ORDINARY: MeteredQueue(queue, self.health.receive, self.health, self.meters)
        }
        if express is not None:
            self.health.express = Line("receive of express messages")
            queues[Lane.EXPRESS] = MeteredQueue(
                express, self.health.express, self.health, self.meters
            )
        return queues

    @property
    def _all_slots(self) -> int:
        return self._settings.slots + self._settings.express_slots

    def _make_quiet(self) -> Quiet:
        seconds = self._settings.until_empty_seconds if self._until_empty else math.inf
        return Quiet(self._queues, seconds)

    def _make_pollers(self) -> tuple[Alone, list[Poller]]:
        pulses = {
            lane: self.health.pulses.make(
                "poller" if lane is Lane.ORDINARY else f"{lane} poller", WAIT_SECONDS
            )
            for lane in self._queues
        }
        alone = self._make_alone(pulses[Lane.ORDINARY])
        return alone, [
            Poller(
                lane=lane,
                queue=queue,
                admission=self.admission,
                dispatch=self.dispatch,
                handover=self.handover,
                alone=alone,
                leases=self.leases,
                reporter=self.reporter,
                quiet=self.quiet,
                log=self._log,
                stopping=self.stopping,
                pulse=pulses[lane],
            )
            for lane, queue in self._queues.items()
        ]

    def _make_alone(self, pulse: Pulse) -> Alone:
        return Alone(
            admission=self.admission,
            dispatch=self.dispatch,
            leases=self.leases,
            reporter=self.reporter,
            hand_over=self.handover.hand_over_alone,
            stopping=self.stopping,
            pulse=pulse,
        )

    def _make_heart(self) -> Heart:
        return Heart(
            worker_id=self._settings.worker_id,
            api=self._api,
            jobs=self.jobs,
            leases=self.leases,
            touched=self.touched,
            admission=self.admission,
            running=self._running,
            slots=self._all_slots,
            log=self._log,
            clock=clock,
            pulse=self.health.pulses.make("heartbeat", IDLE_SECONDS),
        )

    def _make_keeper(self) -> Keeper:
        duties = [self.leases.renew, self.handover.return_overdue]
        tick_seconds = min(TICK_SECONDS, self._settings.lease_seconds / 20)
        pulse = self.health.pulses.make("keeper of leases", tick_seconds)
        return Keeper(duties, self._log, pulse, tick_seconds)

    def _make_slot(self, number: int) -> Slot:
        settings = self._pool_settings(describes=number == 0)
        children = Children(settings, self._log, clock, self.meters)
        executor = Executor(
            children=children,
            limits=self._limits,
            buckets=self._buckets,
            leases=self.leases,
            reporter=self.reporter,
            log=self._log,
            meters=self.meters,
        )
        return Slot(
            number=number,
            children=children,
            executor=executor,
            dispatch=self.dispatch,
            leases=self.leases,
            on_message=self._note_job,
            log=self._log,
            memory_bytes=self._settings.memory_bytes,
            pulse=self.health.pulses.make(f"slot {number}", math.inf),
        )

    def _pool_settings(self, *, describes: bool) -> PoolSettings:
        settings = self._settings
        return PoolSettings(
            sources=(*installed_sources(), *settings.sources),
            data_bucket=settings.data_bucket,
            results_bucket=settings.results_bucket,
            memory_bytes=settings.memory_bytes,
            scratch_root=self._scratch,
            describes=describes,
        )
