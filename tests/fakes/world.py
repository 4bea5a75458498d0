"""Fakes of S3, SQS, Step Functions and the journal, and a `Deps` made of them."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from ulid import ULID

from orchestrator.errors import ObjectChanged, ObjectForbidden, SendFailed
from orchestrator.service.ports import Deps, Outgoing
from orchestrator.service.sources import SignedPut, StoredObject
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


class MemorySources:
    """`Sources` over a bucket in memory; what is `forbidden` cannot be read, bodies come in `chunk_bytes`."""

    def __init__(self, objects: MemoryObjects) -> None:
        self.objects = objects
        self.forbidden: set[str] = set()
        self.chunk_bytes = 1024 * 1024
        self.opened: list[tuple[str, int]] = []

    def _stored(self, key: str) -> StoredObject:
        body = self.objects.bodies[key]
        etag = hashlib.md5(body, usedforsecurity=False).hexdigest()
        return StoredObject(key=key, size_bytes=len(body), etag=etag)

    def find(self, key: str) -> StoredObject | None:
        """Look an object up."""
        if key in self.forbidden:
            raise ObjectForbidden(key)
        return self._stored(key) if key in self.objects.bodies else None

    def stream(self, found: StoredObject, start: int) -> Iterator[bytes]:
        """Yield a body, if it is still the one that was found."""
        self.opened.append((found.key, start))
        if self.find(found.key) != found:
            raise ObjectChanged(found.key)
        body = self.objects.bodies[found.key]
        for at in range(start, len(body), self.chunk_bytes):
            yield body[at : at + self.chunk_bytes]

    def list_after(self, prefix: str, after: str, limit: int) -> list[StoredObject]:
        """List a page, by the keys' bytes."""
        if prefix in self.forbidden:
            raise ObjectForbidden(prefix)
        keys = sorted(self.objects.bodies, key=str.encode)
        begin = after.encode()
        found = [key for key in keys if key.startswith(prefix) and key.encode() > begin]
        return [self._stored(key) for key in found[:limit]]

    def sign_put(self, key: str, size_bytes: int, sha256: str | None, seconds: int) -> SignedPut:
        """Return what stands for a presigned PUT."""
        headers = {"Content-Length": str(size_bytes)}
        if sha256 is not None:
            headers["x-amz-checksum-sha256"] = b64encode(bytes.fromhex(sha256)).decode()
        return SignedPut(url=f"memory:{key}?expires={seconds}", headers=headers)


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
        self.sources = MemorySources(self.data)
        self.queue, self.machine, self.journal = MemoryQueue(), MemoryMachine(), RecordingJournal()
        self.enqueues: list[tuple[str, int]] = []
        self.clock = START
        self.jitter = 0.5
        self._ids = 0
        self.deps = Deps(
            store=self.store,
            data=self.data,
            results=self.results,
            sources=self.sources,
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
