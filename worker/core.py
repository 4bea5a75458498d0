"""The worker: its parts put together, started in order, and ended in two phases."""

from __future__ import annotations

import tempfile
import threading
from pathlib import Path
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
from worker.leases import Leases
from worker.log import Log
from worker.outbound import Outbound
from worker.pool.children import Children
from worker.pool.conversation import Limits
from worker.pool.process import PoolSettings
from worker.poller import Poller
from worker.ports import Buckets, TaskQueue, WorkApi
from worker.processes import adopt_orphans
from worker.registry import installed_sources
from worker.reporter import Reporter
from worker.settings import Settings
from worker.slot import Slot
from worker.touched import TouchedNodes

FLUSH_SECONDS = 5.0
"""After the drain: for the last reports, give-backs and deletes."""
_HURRY_SECONDS = 2.0


class Worker:
    """One worker process."""

    def __init__(
        self, settings: Settings, queue: TaskQueue, api: WorkApi, buckets: Buckets, log: Log
    ) -> None:
        self._settings = settings
        self._queue = queue
        self._api = api
        self._buckets = buckets
        self._log = log
        self._stop = threading.Event()
        self._hurry = threading.Event()
        self._stopping = threading.Event()
        self._scratch = tempfile.mkdtemp(prefix="worker-")
        self._touched = TouchedNodes(clock)
        self._jobs = Jobs(clock)
        self._leases = Leases(queue, log, settings.lease_seconds, clock)
        self._dispatch = Dispatch(settings.slots, clock)
        self._reporter = self._make_reporter()
        self._slots = [self._make_slot(number) for number in range(settings.slots)]
