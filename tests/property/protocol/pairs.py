"""Two calls at once: one is overtaken by the other at each of its requests, then goes on or dies."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from orchestrator.model.states import Outcome
from orchestrator.spec import SubmitJobIn
from tests.property.protocol.actions import ACTIONS, EVERY, WHOLE
from tests.property.protocol.calls import LIVE, Fate, Kind
from tests.property.protocol.setups import SETUPS
from tests.property.protocol.stage import Stage

ROUNDS = 30
"""Sweeps until a job must have ended: none of these needs the hour after which MonitorJob is taken again."""


@dataclass(frozen=True)
class Pair:
    """At its request number `gate`, `first` is overtaken by `second`; then it goes on or dies."""

    first: str
    gate: int
    second: str
    end: Kind
    other: Outcome
    """How the second of two runs of the same tasks went; the first one failed."""
    seconds: float
    """The first back-off: 2 s is sent at once, 3,000 s waits for the sweep."""
    size: int
    """Tasks in a message."""


def _prepared(setup: str, other: Outcome, seconds: float, size: int) -> Stage:
    machine = Stage()
    machine.other_outcome = other
    machine.submission = SubmitJobIn.model_validate(
        {
            "name": "a job",
            "handler": "echo",
            "tasks": {"count": 8},
            "tasks_per_message": size,
            "max_running": 4,
            "retry": {"max_attempts": 2, "initial_seconds": seconds, "max_seconds": 3_000},
        }
    )
    SETUPS[setup](machine)
    return machine


@cache
def _requests(setup: str, name: str) -> int:
    """Return how many requests a call makes when nothing comes between."""
    machine = _prepared(setup, Outcome.SUCCEEDED, 2.0, 3)
    try:
        call = ACTIONS[name](machine)
        if call is None:
            return 0
        call.start(LIVE)
        return call.passed
    finally:
        machine.patch.undo()


def pairs_of(setup: str) -> Iterator[Pair]:
    """Yield every pair of calls in a stage of the job, with each request of the first."""
    for first in ACTIONS:
        for gate in range(_requests(setup, first)):
            for second in (*WHOLE, *ACTIONS):
                yield Pair(first, gate, second, "live", Outcome.SUCCEEDED, 2.0, 3)
                yield Pair(first, gate, second, "live", Outcome.FAILED, 3_000.0, 1)
                yield Pair(first, gate, second, "die", Outcome.FAILED, 2.0, 3)
                yield Pair(first, gate, second, "die", Outcome.SUCCEEDED, 2.0, 1)


CORE: Mapping[str, Sequence[tuple[str, str]]] = {
    "submitted": [("step", "stop"), ("submit", "submit")],
    "creating": [("step of the first", "stop")],
    "enqueuing": [("step of the first", "step"), ("step", "later sweep"), ("step", "stop")],
    "monitoring": [("step of the first", "step"), ("step", "cancel")],
    "working": [
        ("report", "report of another"),
        ("report of another", "heartbeat"),
        ("report", "stop"),
        ("report", "stop and retry"),
        ("report", "end and retry"),
        ("oldest message again", "report of another"),
        ("give back", "dead letter"),
        ("dead letter", "give back"),
        ("enqueue", "enqueue"),
        ("enqueue", "stop and retry"),
        ("cancel", "sweep"),
    ],
    "working again": [
        ("report", "report of another"),
        ("report", "stop and retry"),
        ("heartbeat", "end and retry"),
        ("enqueue", "stop and retry"),
    ],
    "cancelled": [("step", "stop and retry")],
    "closing after a cancel": [("step", "report"), ("step", "stop and retry")],
    "ending": [("sweep", "end and retry"), ("step", "execution ended")],
    "closing": [("step", "end and retry"), ("step", "execution ended")],
    "almost ended": [("step", "end and retry"), ("step", "end"), ("step", "cancel")],
    "ended": [("retry", "retry"), ("retry", "retry and end")],
    "reopened": [("step", "stop and retry"), ("step", "heartbeat")],
    "reopening": [("step", "stop"), ("step", "stop and retry"), ("step", "step of the first")],
}
"""The pairs that the protocol's rules are about, by setup."""


def core_of(setup: str) -> Iterator[Pair]:
    """Yield the pairs of a setup that matter most."""
    core = CORE.get(setup, ())
    return (pair for pair in pairs_of(setup) if (pair.first, pair.second) in core)


def play(setup: str, pair: Pair) -> None:
    """Play a pair, and heal what is left."""
    acts = [Act(pair.first, Fate("stall", pair.gate)), Act(pair.second, LIVE)]
    play_all(setup, acts, [Fate(pair.end)], pair.other, pair.seconds, pair.size)


@dataclass(frozen=True)
class Act:
    """A call and its fate."""

    name: str
    fate: Fate


def play_all(
    setup: str,
    acts: Sequence[Act],
    ends: Sequence[Fate],
    other: Outcome,
    seconds: float,
    size: int,
) -> None:
    """Begin calls one after the other, then let those that stall go on to their ends; heal what is left."""
    machine = _prepared(setup, other, seconds, size)
    machine.rounds = ROUNDS
    with machine.ending():
        begun = [machine.attempt(EVERY[act.name](machine), act.fate) for act in acts]
        machine.watch.check()
        machine.stalled.clear()
        stalled = [call for call in begun if call is not None and not call.ended]
        for call, end in zip(reversed(stalled), [*ends, *[LIVE] * len(stalled)], strict=False):
            call.resume(end)
            machine.watch.check()
