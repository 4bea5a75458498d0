"""What each task does and how it must end: a function of its index, its attempt and the job's seed."""

from __future__ import annotations

import random
from dataclasses import dataclass
from functools import cache
from typing import Literal

BLOCK = 500
"""Tasks among which each kind is as frequent as said; the order within a block follows from the seed."""
TIMEOUT_SECONDS = 6.0
ATTEMPTS, TIMEOUTS = 3, 2
WORKER_LOSSES = 20
"""So many that no task ends because innocent workers were killed: each one's end is known beforehand."""
LARGE_BYTES = 3_000
MEMORY_BYTES = 192 * 1024 * 1024
"""What a task may use."""

Kind = Literal[
    "quick",
    "slow",
    "large",
    "flaky",
    "flaky_twice",
    "fails",
    "refuses",
    "crashes_once",
    "crashes",
    "times_out",
    "bursts_once",
    "bursts",
    "bad_result",
]
SHARES: dict[Kind, int] = {
    "slow": 6,
    "large": 20,
    "flaky": 15,
    "flaky_twice": 5,
    "fails": 5,
    "refuses": 8,
    "crashes_once": 4,
    "crashes": 2,
    "times_out": 1,
    "bursts_once": 1,
    "bursts": 1,
    "bad_result": 2,
}
"""Of 500; all others are quick. `bursts` asks for far more memory than there is,
`bursts_once` really uses more than it may."""


@dataclass(frozen=True, slots=True)
class Ending:
    """How a task must end: after which attempt, with which outcome, with which error where it failed."""

    succeeds: bool
    attempt: int
    outcome: str


_ENDINGS: dict[Kind, Ending] = {
    "quick": Ending(True, 1, "succeeded"),
    "slow": Ending(True, 1, "succeeded"),
    "large": Ending(True, 1, "succeeded"),
    "flaky": Ending(True, 2, "succeeded"),
    "flaky_twice": Ending(True, 3, "succeeded"),
    "fails": Ending(False, ATTEMPTS, "failed"),
    "refuses": Ending(False, 1, "failed"),
    "crashes_once": Ending(True, 2, "succeeded"),
    "crashes": Ending(False, ATTEMPTS, "crashed"),
    "times_out": Ending(False, TIMEOUTS, "timed_out"),
    "bursts_once": Ending(True, 2, "succeeded"),
    "bursts": Ending(False, ATTEMPTS, "out_of_memory"),
    "bad_result": Ending(False, 1, "bad_result"),
}


@cache
def _block(seed: int, number: int) -> tuple[Kind, ...]:
    kinds: list[Kind] = [kind for kind, share in SHARES.items() for _ in range(share)]
    kinds += ["quick"] * (BLOCK - len(kinds))
    random.Random(f"{seed}/{number}").shuffle(kinds)
    return tuple(kinds)


def kind_of(seed: int, index: int) -> Kind:
    """Return what a task does."""
    return _block(seed, index // BLOCK)[index % BLOCK]


def ending_of(seed: int, index: int) -> Ending:
    """Return how a task must end."""
    return _ENDINGS[kind_of(seed, index)]


def seconds_of(seed: int, index: int) -> float:
    """Return how long a task takes: up to 50 ms, the slow ones one to two and a half seconds."""
    own = random.Random(f"{seed}/{index}").random()
    return 1 + 1.5 * own if kind_of(seed, index) == "slow" else 0.05 * own


def result_of(seed: int, index: int, attempt: int) -> dict[str, object]:
    """Return the result of a task that succeeds: it tells index, attempt and seed apart."""
    large = kind_of(seed, index) == "large"
    own = random.Random(f"{seed}/{index}/{attempt}").randbytes(LARGE_BYTES // 2 if large else 8)
    return {"index": index, "attempt": attempt, "proof": own.hex()}
