"""A container that this worker looks after: which one, how far it is, what is next."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, auto

from worker.backoff import Backoff
from worker.containers.identity import Identity
from worker.containers.verdict import Over, State
from worker.held import Held

_RETRY_FIRST_SECONDS, _RETRY_MAX_SECONDS = 0.5, 30.0


class Stage(Enum):
    """What is to be done for a run. Only WATCHED needs no call."""

    NEW = auto()
    WATCHED = auto()
    ASKING = auto()
    ENDING = auto()
    CANCELLING = auto()


@dataclass(eq=False, kw_only=True)
class Run:
    """One container of a message. While `busy`, the thread that makes its call owns it.

    `began_at`: since when it is looked after here. `created_at`: when the Job was last asked for.
    `state`, `since`: what was last seen of it, and since when.
    """

    held: Held
    identity: Identity
    run_id: str
    began_at: float
    stage: Stage = Stage.NEW
    busy: bool = False
    not_before: float = 0.0
    created_at: float = 0.0
    creations: int = 0
    seen: bool = False
    state: State | None = None
    since: float = 0.0
    over: Over | None = None
    log_ref: str | None = None
    log_tries: int = 0
    backoff: Backoff = field(
        default_factory=lambda: Backoff(_RETRY_FIRST_SECONDS, _RETRY_MAX_SECONDS)
    )

    @property
    def name(self) -> str:
        """The Job's name."""
        return self.identity.name

    @property
    def names(self) -> dict[str, object]:
        """The fields that every log line about it has."""
        held = {key: value for key, value in self.held.names.items() if key != "tasks"}
        return {
            **held,
            "task_id": f"{self.identity.job}-{self.identity.index}",
            "job_name": self.name,
        }

    def go_on(self, stage: Stage) -> None:
        """The present step is done: the next one is due at once."""
        self.stage = stage
        self.not_before = 0.0
        self.backoff.reset()

    def key(self, ending: str) -> str:
        """Return a key of the results bucket that is this run's own."""
        identity = self.identity
        prefix = f"tasks/{identity.job}/{identity.gen}/{identity.index}"
        return f"{prefix}/{self.run_id}{ending}"
