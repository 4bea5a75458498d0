"""Which run of which task a Job is: its name and its labels say the same, and nothing else decides."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self
from urllib.parse import urlsplit

from orchestrator.model.wire import TaskMessage

MANAGER = "job-orchestrator"
_PREFIX = f"{MANAGER}/"
NAME_LABEL = f"{_PREFIX}name"
FLEET_LABEL = f"{_PREFIX}fleet"
RUN_ID_ANNOTATION = f"{_PREFIX}run-id"
CONTAINER_NAME = "task"
_COMMON = {
    "app.kubernetes.io/managed-by": MANAGER,
    "app.kubernetes.io/component": "container-task",
}


@dataclass(frozen=True, slots=True)
class Identity:
    """A run of a task. An interruption begins another run of the same attempt, so it is counted too."""

    job: str
    index: int
    gen: int
    attempt: int
    interruptions: int

    @classmethod
    def of(cls, message: TaskMessage, index: int) -> Self:
        """Return the run that a message asks for."""
        return cls(message.job, index, message.gen, message.attempt, message.interruptions)

    @classmethod
    def from_labels(cls, labels: Mapping[str, str]) -> Self | None:
        """Return whose Job it is, None where the labels do not say."""
        try:
            job = labels[f"{_PREFIX}job"]
            index, gen, attempt, interruptions = (
                int(labels[f"{_PREFIX}{name}"])
                for name in ("index", "gen", "attempt", "interruptions")
            )
        except (KeyError, ValueError):
            return None
        return cls(job, index, gen, attempt, interruptions)

    @property
    def name(self) -> str:
        """The Job's name: a DNS label (at most 63 characters), the same on every worker."""
        numbers = f"{self.index}-g{self.gen}-a{self.attempt}-i{self.interruptions}"
        return f"t-{self.job.lower()}-{numbers}"

    def labels(self, fleet: str) -> dict[str, str]:
        """Return the labels of the Job and of its pod."""
        return _COMMON | {
            FLEET_LABEL: fleet,
            NAME_LABEL: self.name,
            f"{_PREFIX}job": self.job,
            f"{_PREFIX}index": str(self.index),
            f"{_PREFIX}gen": str(self.gen),
            f"{_PREFIX}attempt": str(self.attempt),
            f"{_PREFIX}interruptions": str(self.interruptions),
        }


def fleet_of(queue_url: str) -> str:
    """Return the name of all workers of one queue: several stacks may share a namespace.

    The path alone (account and name): a queue may be reached at several hosts.
    """
    return hashlib.sha256(urlsplit(queue_url).path.encode()).hexdigest()[:16]


def selector_of(fleet: str) -> str:
    """Return the label selector of all that a fleet has made."""
    return f"app.kubernetes.io/managed-by={MANAGER},{FLEET_LABEL}={fleet}"
