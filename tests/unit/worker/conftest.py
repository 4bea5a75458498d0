"""A worker on fakes, and a pool with real children."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from orchestrator.model.wire import TaskMessage
from tests.unit.worker.fakes.api import FakeApi
from tests.unit.worker.fakes.buckets import FakeBuckets
from tests.unit.worker.fakes.queue import FakeQueue
from worker.api import Json
from worker.clock import clock
from worker.core import Worker
from worker.log import Log
from worker.metrics import Meters
from worker.parts import Parts
from worker.pool.children import Children
from worker.pool.conversation import Limits
from worker.pool.events import Batch, Event, Finished, Run
from worker.pool.execution import Execution
from worker.pool.orders import Orders
from worker.pool.output import TaskOutput
from worker.pool.process import PoolSettings
from worker.processes import adopt_orphans
from worker.settings import Settings
from worker.slot import Slot

JOB = "01JDTESTTESTTESTTESTTESTTE"
HANDLERS = str(Path(__file__).with_name("sample_handlers.py"))
TROUBLES = str(Path(__file__).with_name("trouble_handlers.py"))


@dataclass
class Lines:
    """What was logged."""

    events: list[dict[str, Any]] = field(default_factory=list)

    def write(self, line: str) -> None:
        self.events.append(json.loads(line))

    def of(self, event: str) -> list[dict[str, Any]]:
        return [line for line in self.events if line["event"] == event]


@pytest.fixture
def lines() -> Lines:
    return Lines()


@pytest.fixture
def log(lines: Lines) -> Log:
    return Log(write=lines.write)


@dataclass
class Pool:
    """One slot's children, and a way to run a batch in them."""

    children: Children
    log: Log

    def events(
        self,
        handler: str,
        *inputs: Json,
        timeout: float = 30.0,
        orders: Orders | None = None,
        **limits: Any,
    ) -> Iterator[Event]:
        self.children.greeted()
        orders = orders or Orders()
        orders.wake = self.children.wake
        batch = Batch(
            job=JOB,
            gen=1,
            attempt=1,
            handler=handler,
            parameters=None,
            timeout_seconds=timeout,
            runs=tuple(Run(n, uuid4().hex, value) for n, value in enumerate(inputs)),
        )
        execution = Execution(batch, orders, Limits(**limits), lambda _: TaskOutput(self.log))
        return execution.events(self.children)

    def run(self, handler: str, *inputs: Json, **options: Any) -> list[Finished]:
        """Run tasks that all end by themselves."""
        events = list(self.events(handler, *inputs, **options))
        finished = [event for event in events if isinstance(event, Finished)]
        assert len(finished) == len(events) == len(inputs), events
        return finished


def make_pool(log: Log, scratch: Path, memory_bytes: int = 0) -> Pool:
    adopt_orphans()
    settings = PoolSettings(
        sources=(HANDLERS, TROUBLES),
        data_bucket="data",
        results_bucket="results",
        memory_bytes=memory_bytes,
        scratch_root=str(scratch),
    )
    return Pool(Children(settings, log, clock, Meters()), log)


@pytest.fixture(scope="module")
def pool_of_module(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Pool, Lines]]:
    lines = Lines()
    made = make_pool(Log(write=lines.write), tmp_path_factory.mktemp("pool"))
    yield made, lines
    made.children.close()


@pytest.fixture
def pool(pool_of_module: tuple[Pool, Lines]) -> Pool:
    """Return a pool that every test of a module uses, as every job of a worker does."""
    return pool_of_module[0]


@pytest.fixture
def pool_lines(pool_of_module: tuple[Pool, Lines]) -> Lines:
    pool_of_module[1].events.clear()
    return pool_of_module[1]


@dataclass
class Stage:
    """A worker on fakes; `codes` are the exit codes of workers that have ended.

    `express` is the queue of the express lane, for workers that are started with `express_slots`.
    """

    queue: FakeQueue
    api: FakeApi
    buckets: FakeBuckets
    lines: Lines
    log: Log
    workers: list[tuple[Worker, threading.Thread]] = field(default_factory=list)
    parts: list[Parts] = field(default_factory=list)
    codes: list[int] = field(default_factory=list)
    express: FakeQueue = field(default_factory=lambda: FakeQueue(name="x"))

    def beat(self) -> None:
        """Have all workers send a heartbeat now."""
        for parts in self.parts:
            parts.heart.beat()

    def wait_running(self, count: int = 1) -> None:
        """Wait until tasks have begun, by their own word."""
        slots = [slot for parts in self.parts for slot in parts.slots]
        poll(lambda: sum(_begun(slot) for slot in slots) >= count)

    def started(self) -> list[tuple[str, int]]:
        """Return the message ids and receive counts of claims that count a start."""
        asked = [each for claim in self.api.claims for each in claim.messages]
        return [(each.message_id, each.receive_count) for each in asked if each.begins]

    def reported(self) -> dict[int, str]:
        """Return the outcomes that were told, by index."""
        return {report.index: report.outcome.value for report in self.api.reports}

    def start(self, **settings: Any) -> Worker:
        """Start a worker."""
        drain_seconds = settings.pop("drain_seconds", 5.0)
        until_empty = settings.pop("until_empty", False)
        slow_seconds = settings.pop("slow_seconds", 10.0)
        limits = Limits(
            slow_seconds=slow_seconds,
            stalled_seconds=settings.pop("stalled_seconds", slow_seconds),
            cancel_grace_seconds=settings.pop("cancel_grace_seconds", 30.0),
            kill_grace_seconds=0.2,
        )
        parts = Parts(
            make_settings(**settings),
            self.queue,
            self.api,
            self.buckets,
            self.log,
            limits=limits,
            flush_seconds=0.05,
            until_empty=until_empty,
            express=self.express if "express_slots" in settings else None,
        )
        worker = Worker(parts, self.log, drain_seconds, until_empty=until_empty)
        thread = threading.Thread(target=lambda: self.codes.append(worker.run()), daemon=True)
        thread.start()
        self.workers.append((worker, thread))
        self.parts.append(parts)
        return worker

    def stop(self) -> None:
        """Signal all workers once (more) and wait for their end."""
        for worker, _ in self.workers:
            worker.stop()
        self.join()

    def join(self) -> None:
        """Wait for the workers' end."""
        for _, thread in self.workers:
            thread.join(20)
            assert not thread.is_alive()
        self.workers.clear()

    def wait_logged(self, event: str, count: int = 1) -> list[dict[str, Any]]:
        """Wait until an event was logged."""
        poll(lambda: len(self.lines.of(event)) >= count)
        return self.lines.of(event)


def _begun(slot: Slot) -> bool:
    running = slot.executor.running
    return running is not None and running.progress is not None


def poll(seen: Callable[[], bool]) -> None:
    """Wait until something is so."""
    waiting = threading.Event()
    for _ in range(4000):
        if seen():
            return
        waiting.wait(0.005)
    raise AssertionError("it did not come about")


def make_settings(**changes: Any) -> Settings:
    values: dict[str, Any] = {
        "queue_url": "http://queue",
        "work_api_url": "http://api",
        "data_bucket": "data",
        "results_bucket": "results",
        "region": "us-east-1",
        "slots": 1,
        "sources": (HANDLERS,),
        "lease_seconds": 60,
        "drain_seconds": 5,
        "wait_seconds": 0,
        "memory_bytes": 0,
        "worker_id": "w-1",
        "log_level": "INFO",
        "until_empty_seconds": 0,
        "http_host": "127.0.0.1",
        "http_port": None,
    }
    return Settings(**{**values, **changes})


@pytest.fixture
def stage(lines: Lines, log: Log) -> Iterator[Stage]:
    made = Stage(FakeQueue(), FakeApi(), FakeBuckets(), lines, log)
    made.api.add_job(JOB)
    yield made
    made.stop()


def message(handler: str, *inputs: Json, **changes: Any) -> TaskMessage:
    """Return a message of as many tasks as there are inputs."""
    values: dict[str, Any] = {
        "job": JOB,
        "gen": 1,
        "attempt": 1,
        "start": 0,
        "stop": len(inputs),
        "handler": handler,
        "timeout_seconds": 30.0,
        "inputs": list(inputs),
    }
    return TaskMessage(**{**values, **changes})
