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
        self._queue = queue
        self._api = api
        self._buckets = buckets
        self._log = log
        self._limits = limits or Limits(memory_bytes=settings.memory_bytes)
        self._scratch = tempfile.mkdtemp(prefix="worker-")
        self.stopping = threading.Event()
        self.touched = TouchedNodes(clock)
        self.jobs = Jobs(clock)
        self.leases = Leases(queue, log, settings.lease_seconds, clock)
        self.dispatch = Dispatch(settings.slots, clock)
        self.reporter = self._make_reporter(Outbound(clock, flush_seconds))
        self.admission = self._make_admission()
        self.poller = self._make_poller()
        self.heart = self._make_heart()
        self.keeper = self._make_keeper()
        self.slots = [self._make_slot(number) for number in range(settings.slots)]

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

    def _make_reporter(self, outbound: Outbound) -> Reporter:
        return Reporter(
            worker_id=self._settings.worker_id,
            api=self._api,
            leases=self.leases,
            deletions=Deletions(self._queue, self.leases, self._log),
            touched=self.touched,
            outbound=outbound,
            log=self._log,
            clock=clock,
        )

    def _make_admission(self) -> Admission:
        return Admission(
            worker_id=self._settings.worker_id,
            api=self._api,
            jobs=self.jobs,
            leases=self.leases,
            reporter=self.reporter,
            log=self._log,
            stopping=self.stopping,
        )

    def _make_poller(self) -> Poller:
        return Poller(
            queue=self._queue,
            admission=self.admission,
            dispatch=self.dispatch,
            leases=self.leases,
            reporter=self.reporter,
            log=self._log,
            stopping=self.stopping,
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
            slots=self._settings.slots,
            log=self._log,
            clock=clock,
        )

    def _make_keeper(self) -> Keeper:
        duties = [self.leases.renew, self.poller.return_overdue]
        tick_seconds = min(TICK_SECONDS, self._settings.lease_seconds / 20)
        return Keeper(duties, self._log, tick_seconds)

    def _make_slot(self, number: int) -> Slot:
        children = Children(self._pool_settings(), self._log, clock)
        executor = Executor(
            children=children,
            limits=self._limits,
            buckets=self._buckets,
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
