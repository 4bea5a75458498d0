"""Fakes of S3, SQS, Step Functions and the journal, and a `Deps` made of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from ulid import ULID

from orchestrator.errors import SendFailed
from orchestrator.service.ports import Deps, Outgoing
from tests.fakes.store import MemoryStore

START = datetime(2026, 1, 1, tzinfo=UTC)


class MemoryObjects:
    """`Objects` in memory."""

    def __init__(self) -> None:
        self.bodies: dict[str, bytes] = {}

    def put(self, key: str, body: bytes, content_type: str) -> None:
        """Write an object."""
        self.bodies[key] = body

    def get(self, key: str) -> bytes | None:
        """Read an object."""
        return self.bodies.get(key)

    def get_range(self, key: str, start: int, stop: int) -> bytes:
        """Read a part of an object."""
        return self.bodies[key][start:stop]

    def get_many(self, keys: Sequence[str]) -> list[bytes | None]:
        """Read objects."""
        return [self.bodies.get(key) for key in keys]

    def link(self, key: str, seconds: int) -> str:
        """Return what stands for a presigned URL."""
        return f"memory:{key}?expires={seconds}"


class MemoryQueue:
    """`Queue` in memory; `failing` refuses that many sends whole, `refuses` some of their messages."""

    def __init__(self) -> None:
        self.sent: list[Outgoing] = []
        self.failing = 0
        self.refuses: Callable[[Outgoing], bool] = lambda _: False

    def send(self, messages: Sequence[Outgoing]) -> None:
        """Keep the messages that are not refused; as on SQS, a failed send may have sent some."""
        if self.failing > 0:
            self.failing -= 1
            raise SendFailed("the queue is told to fail")
        kept = [message for message in messages if not self.refuses(message)]
        self.sent += kept
        if len(kept) < len(messages):
            raise SendFailed(f"{len(messages) - len(kept)} messages are told to fail")

    def take(self) -> list[Outgoing]:
        """Return what was sent since the last take."""
        taken, self.sent = self.sent, []
        return taken


class MemoryMachine:
    """`Machine` in memory: executions with their status, and tokens that work once."""

    def __init__(self) -> None:
        self.executions: dict[tuple[str, int, int], str] = {}
        self.outputs: dict[str, Mapping[str, object]] = {}
        self.expired: set[str] = set()

    def start(self, job_id: str, gen: int, exec: int) -> None:
        """Start an execution once."""
        self.executions.setdefault((job_id, gen, exec), "RUNNING")

    def status(self, job_id: str, gen: int, exec: int) -> str | None:
        """Return an execution's status."""
        return self.executions.get((job_id, gen, exec))

    def stop(self, job_id: str, gen: int, exec: int, cause: str) -> None:
        """Abort a running execution."""
        if self.executions.get((job_id, gen, exec)) == "RUNNING":
            self.executions[job_id, gen, exec] = "ABORTED"

    def send_success(self, token: str, output: Mapping[str, object]) -> bool:
        """Take an output once a token."""
        if token in self.outputs or token in self.expired:
            return False
        self.outputs[token] = output
        return True


@dataclass
class RecordingJournal:
    """`Journal` that keeps what it is told."""

    events: list[tuple[str, dict[str, object]]] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)

    def event(self, name: str, **fields: object) -> None:
        """Keep an event."""
        self.events.append((name, fields))

    def count(self, metric: str, value: int = 1, **dimensions: str) -> None:
        """Add to a metric."""
        self.counts[metric] = self.counts.get(metric, 0) + value


class World:
    """A whole control plane's surroundings in memory, with a clock that stands until it is moved."""

    def __init__(self, store: MemoryStore | None = None) -> None:
        self.store = MemoryStore() if store is None else store
        self.data, self.results = MemoryObjects(), MemoryObjects()
        self.queue, self.machine, self.journal = MemoryQueue(), MemoryMachine(), RecordingJournal()
        self.enqueues: list[tuple[str, int]] = []
        self.clock = START
        self.jitter = 0.5
        self._ids = 0
        self.deps = Deps(
            store=self.store,
            data=self.data,
            results=self.results,
            queue=self.queue,
            machine=self.machine,
            journal=self.journal,
            enqueue_later=lambda job_id, gen: self.enqueues.append((job_id, gen)),
            now=lambda: self.clock,
            new_id=self.new_id,
            random=lambda: self.jitter,
            new_secret=lambda: f"secret{self._ids}",
            cursor_key=lambda: b"a key for tests",
            retention=timedelta(days=90),
        )

    def new_id(self) -> str:
        """Return the next ULID, ascending."""
        self._ids += 1
        return str(ULID.from_bytes((1_700_000_000_000 << 80 | self._ids).to_bytes(16)))

    def wait(self, seconds: float) -> None:
        """Move the clock."""
        self.clock += timedelta(seconds=seconds)
