"""A task's checkpoint: kept where any later run of it finds it, and never overwritten by an earlier one.

One object a task. Each write is on the condition that nobody has written since this run last looked; a
run that finds a later run's checkpoint there leaves it. So a run that lost its lease and does not know
it yet can do no harm.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import NamedTuple, Protocol

from worker.api import CHECKPOINT_MAX_BYTES, CheckpointFailed

_TRIES = 5
"""Each try that fails means that another run has written in between: two do so for seconds at most."""


class Order(NamedTuple):
    """How late a run is among the runs of its task: attempts go up, messages are sent one after another
    (by SQS's clock, in milliseconds), and each is delivered one more time.
    """

    attempt: int
    sent_at_ms: int
    receive_count: int

    def text(self) -> str:
        """Return the order as text for `read`."""
        return ".".join(map(str, self))

    @classmethod
    def read(cls, text: str) -> Order:
        """Read what `text` wrote; what is no order comes before all runs."""
        parts = text.split(".")
        known = len(parts) == len(cls._fields) and all(part.isdecimal() for part in parts)
        return cls(*map(int, parts)) if known else cls(0, 0, 0)


class Stored(NamedTuple):
    """A stored checkpoint's version, which changes with each write, and the run that wrote it."""

    version: str
    order: Order


class Store(Protocol):
    """Checkpoints by key. All methods raise CheckpointFailed."""

    def read(self, key: str) -> tuple[bytes, Stored] | None:
        """Return a checkpoint, None where there is none."""
        ...

    def look(self, key: str) -> Stored | None:
        """Return whose checkpoint is there, None where there is none."""
        ...

    def write(self, key: str, data: bytes, order: Order, over: str | None) -> str | None:
        """Write over the version `over` (None: where there is none) and return the new version.

        None: something else is there.
        """
        ...


def key_of(job_id: str, index: int) -> str:
    """Return the key, the same in each attempt and generation; the bucket's rules expire it."""
    return f"tasks/{job_id}/checkpoints/{index}"


class Checkpoint:
    """The checkpoint of one task, as one run of it uses it. Safe to use from all its threads.

    `first` says that nothing of this task ran before, so there is nothing to look for.
    """

    def __init__(
        self, store: Store, key: str, order: Order, *, first: bool, is_over: Callable[[], bool]
    ) -> None:
        self._store = store
        self._key = key
        self._order = order
        self._is_over = is_over
        self._lock = threading.Lock()
        self._known = first
        self._data: bytes | None = None
        self._version: str | None = None

    def load(self) -> bytes | None:
        """Return the newest checkpoint; asks the store at the first call at most."""
        with self._lock:
            if not self._known:
                found = self._store.read(self._key)
                if found is not None:
                    self._data, (self._version, _) = found
                self._known = True
            return self._data

    def save(self, data: bytes) -> bool:
        """Store `data`; False: a later run has stored its own, which is kept, or this one is over.

        Raises ValueError where it is too large, CheckpointFailed where it cannot be stored.
        """
        data = bytes(data)
        if len(data) > CHECKPOINT_MAX_BYTES:
            raise ValueError(
                f"a checkpoint of {len(data)} bytes, the limit is {CHECKPOINT_MAX_BYTES}: "
                "write it to a bucket and save its key"
            )
        with self._lock:
            return not self._is_over() and self._write(data)

    def _write(self, data: bytes) -> bool:
        for _ in range(_TRIES):
            written = self._store.write(self._key, data, self._order, self._version)
            if written is not None:
                self._version, self._data, self._known = written, data, True
                return True
            stored = self._store.look(self._key)
            if stored is not None and stored.order > self._order:
                return False
            self._version = stored.version if stored else None
        raise CheckpointFailed("other runs of this task go on writing theirs")
