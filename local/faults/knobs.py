"""FAULTS, read: which faults, how likely each, and the seed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from local.errors import LocalError

KINDS: Mapping[str, str] = {
    "kill_worker": "each five seconds, a busy worker is killed (SIGKILL) and started again",
    "stop_worker": "each five seconds, a busy worker is frozen (SIGSTOP) for longer than its lease",
    "duplicate": "a message that is sent arrives twice",
    "api_5xx": "a worker's request is answered 5xx before it reaches the work API",
    "lost_reply": "the work API's answer to a worker is lost after the work was done",
    "lost_call": "the answer to an AWS call is lost after the work was done",
    "throttle": "an AWS call is throttled; one in fifty for longer than the client repeats it",
    "partial": "some entries of a batch fail inside an answer of success",
    "delay": "a call takes up to three seconds longer",
    "lambda_timeout": "before an AWS call of a function, its process dies as at a time-out",
    "stop_machine": "each five seconds, a running execution is stopped; three times a job at most",
}
"""What each value is the probability of."""

STOPPER = "FAULTS_STATE_MACHINE"
"""Names the state machine whose executions one of the workers' supervisors has stopped."""


class FaultsError(LocalError):
    """FAULTS cannot be read; the message lists what there is."""


@dataclass(frozen=True, slots=True)
class Faults:
    """Probabilities by kind (a kind that is not there never happens) and the seed of all decisions."""

    rates: Mapping[str, float] = field(default_factory=dict)
    seed: int = 1

    def __bool__(self) -> bool:
        """Whether anything can happen."""
        return any(self.rates.values())

    def rate(self, kind: str) -> float:
        """Return how likely a kind is, 0 to 1."""
        return self.rates.get(kind, 0.0)

    def text(self) -> str:
        """Return what `parse` reads back."""
        return " ".join([*(f"{kind}={rate:g}" for kind, rate in self.rates.items()), self._seed])

    @property
    def _seed(self) -> str:
        return f"seed={self.seed}"


def parse(text: str) -> Faults:
    """Read `kind=probability ... seed=n`, by spaces or commas. Raises FaultsError."""
    rates: dict[str, float] = {}
    seed = 1
    seen: set[str] = set()
    for word in text.replace(",", " ").split():
        name, equals, value = word.partition("=")
        if name in seen:
            raise _refusal(f"{name} is given twice")
        seen.add(name)
        if name == "seed":
            seed = _seed(value)
        elif name not in KINDS:
            raise _refusal(
                f"{name} is no fault" if equals else f"{word} is not of the form name=value"
            )
        else:
            rates[name] = _probability(name, value)
    return Faults(rates, seed)


def _seed(value: str) -> int:
    if not value.isdecimal() or len(value) > 18:
        raise _refusal(f"seed={value} is not a whole number from 0")
    return int(value)


def _probability(name: str, value: str) -> float:
    try:
        rate = float(value)
    except ValueError:
        rate = -1.0
    if not 0 <= rate <= 1:  # Also refuses "nan", of which no comparison is true.
        raise _refusal(f"{name}={value} is not a probability from 0 to 1")
    return rate


def _refusal(why: str) -> FaultsError:
    lines = [f"  {kind:<16}{meaning}" for kind, meaning in KINDS.items()]
    seed = f"  {'seed':<16}a whole number: the decisions of each process follow from it"
    return FaultsError("\n".join([f"FAULTS: {why}. There are (0 to 1 each):", *lines, seed]))
