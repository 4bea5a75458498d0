"""The parts of a worker, put together."""

from __future__ import annotations

import tempfile
import threading
from shutil import rmtree

from orchestrator.model.wire import RunningTask
from worker.admission import Admission
from worker.clock import clock
from worker.deletions import Deletions
from worker.dispatch import Dispatch
from worker.executor import Executor
from worker.heartbeat import Heart
from worker.held import Held
from worker.jobs import Jobs
from worker.keeper import TICK_SECONDS, Keeper
from worker.leases import Leases
from worker.log import Log
from worker.outbound import FLUSH_SECONDS, Outbound
from worker.poller import Poller
from worker.pool.children import Children
from worker.pool.conversation import Limits
from worker.pool.process import PoolSettings
from worker.ports import Buckets, TaskQueue, WorkApi
from worker.processes import adopt_orphans
from worker.registry import installed_sources
from worker.reporter import Reporter
from worker.settings import Settings
from worker.slot import Slot
from worker.touched import TouchedNodes

_CLOSE_SECONDS = 3.0


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
    ) -> None:
        self._settings = settings
        self._log = log
        self._limits = limits or Limits(memory_bytes=settings.memory_bytes)
        self._scratch = tempfile.mkdtemp(prefix="worker-")
        self.stopping = threading.Event()
        self.touched = TouchedNodes(clock)
        self.jobs = Jobs(clock)
        self.leases = Leases(queue, log, settings.lease_seconds, clock)
        self.dispatch = Dispatch(settings.slots, clock)
        self.reporter = Reporter(
            worker_id=settings.worker_id,
            api=api,
            leases=self.leases,
            deletions=Deletions(queue, self.leases, log),
            touched=self.touched,
            outbound=Outbound(clock, flush_seconds),
            log=log,
            clock=clock,
        )
        self.admission = Admission(
            worker_id=settings.worker_id,
            api=api,
            jobs=self.jobs,
            leases=self.leases,
            reporter=self.reporter,
            log=log,
            stopping=self.stopping,
        )
        self.poller = Poller(
            queue=queue,
            admission=self.admission,
            dispatch=self.dispatch,
            leases=self.leases,
            reporter=self.reporter,
            log=log,
            stopping=self.stopping,
        )
        self.heart = Heart(
            worker_id=settings.worker_id,
            api=api,
            jobs=self.jobs,
            leases=self.leases,
            touched=self.touched,
            admission=self.admission,
            running=self._running,
            slots=settings.slots,
            log=log,
            clock=clock,
        )
        tick_seconds = min(TICK_SECONDS, settings.lease_seconds / 20)
        self.keeper = Keeper([self.leases.renew, self.poller.return_overdue], log, tick_seconds)
        self.slots = [self._make_slot(number, buckets) for number in range(settings.slots)]

    def start(self) -> list[str]:
        """Start all, the poller last; return the names of the handlers. Raises ChildUnusable."""
        adopt_orphans()
        for slot in self.slots:
            slot.start()
        handlers = sorted({name for slot in self.slots for name in slot.await_start()})
        self.admission.handlers = frozenset(handlers)
        self.keeper.start()
        self.reporter.start()
        self.heart.start(handlers)
        self.poller.start()
        return handlers

    def close(self) -> None:
        """End all; what is still held is left to its lease's end."""
        self.dispatch.close()
        for slot in self.slots:
            slot.join(_CLOSE_SECONDS)
        self.heart.close(_CLOSE_SECONDS)
        self.reporter.close()
        self.keeper.close()
        rmtree(self._scratch, ignore_errors=True)

    def _running(self) -> list[RunningTask]:
        found = [slot.executor.running for slot in self.slots]
        return [task for task in found if task is not None]

    def _note_job(self, held: Held) -> None:
        self.heart.note_job(held.message.job)

    def _make_slot(self, number: int, buckets: Buckets) -> Slot:
        children = Children(self._pool_settings(), self._log, clock)
        executor = Executor(
            children=children,
            limits=self._limits,
            buckets=buckets,
            leases=self.leases,
            reporter=self.reporter,
            log=self._log,
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
        )

    def _pool_settings(self) -> PoolSettings:
        settings = self._settings
        return PoolSettings(
            sources=(*installed_sources(), *settings.sources),
            data_bucket=settings.data_bucket,
            results_bucket=settings.results_bucket,
            memory_bytes=settings.memory_bytes,
            scratch_root=self._scratch,
        )
