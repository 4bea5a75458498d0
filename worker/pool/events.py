"""What comes of the tasks of a message: exactly one of these values names each task."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from worker.api import Json
from worker.ending import Ending


@dataclass(frozen=True, slots=True)
class Run:
    """One run of a task that is to be."""

    index: int
    run_id: str
    input: Json


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Tasks to be run in turn, and what they share.

    `receive_count`, `sent_at_ms` and `interruptions` are of the message: together with the attempt they
    tell an earlier run of a task from a later one.
    """

    job: str
    gen: int
    attempt: int
    handler: str
    parameters: Json
    timeout_seconds: float
    runs: tuple[Run, ...]
    receive_count: int = 1
    sent_at_ms: int = 0
    interruptions: int = 0

    def order(self, number: int, runs: list[Run]) -> dict[str, Any]:
        """Return the header of the frame that tells a child to run some of them."""
        return {
            "type": "run",
            "order": number,
            "job": self.job,
            "gen": self.gen,
            "attempt": self.attempt,
            "handler": self.handler,
            "parameters": self.parameters,
            "timeout_seconds": self.timeout_seconds,
            "receive_count": self.receive_count,
            "sent_at_ms": self.sent_at_ms,
            "interruptions": self.interruptions,
            "tasks": [{"index": r.index, "run_id": r.run_id, "input": r.input} for r in runs],
        }


@dataclass(frozen=True, slots=True)
class Finished:
    """The task ran and ended, at `ended_at` on the worker's clock."""

    run: Run
    ending: Ending
    duration_ms: int
    ended_at: float


@dataclass(frozen=True, slots=True)
class Returned:
    """The tasks go back to the queue; `interrupted` ones had begun; `split` sends them one by one."""

    indexes: list[int]
    interrupted: list[int]
    split: bool


@dataclass(frozen=True, slots=True)
class Dropped:
    """The tasks did not begin and need no answer: their job was stopped, or moved on."""

    indexes: list[int]


@dataclass(frozen=True, slots=True)
class Lost:
    """The message is no longer ours; whatever ran was killed."""

    indexes: list[int]


type Event = Finished | Returned | Dropped | Lost
