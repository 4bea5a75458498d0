"""Messages that this worker has no place for: put back, so that neither waiting nor a rollout ends a task."""

from __future__ import annotations

from worker.backoff import growing_seconds
from worker.entries import GiveBack
from worker.held import Held
from worker.leases import Leases
from worker.reporter import Reporter

_FIRST_SECONDS, _MAX_SECONDS = 5.0, 900.0
HANDOVER_SECONDS = 1
RECEIVES_MAX = 20
"""The queue gives a message up at its 50th receive, whatever they were for (template.yaml)."""


class Postponing:
    """Every way leaves attempt and interruptions as they are, and with them the name of the Job."""

    def __init__(self, leases: Leases, reporter: Reporter) -> None:
        self._leases = leases
        self._reporter = reporter

    def hand_over(self, held: Held) -> None:
        """Let another worker go on at once."""
        reason = "the worker ends: another one goes on with the container"
        self._leases.put_back(held, HANDOVER_SECONDS, reason)

    def later(self, held: Held, reason: str) -> None:
        """Let it come again, later each time; one that came often is sent anew, which counts from one."""
        if held.received.receive_count >= RECEIVES_MAX:
            indexes = sorted(held.unsettled)
            self._reporter.give_back(
                GiveBack(held=held, indexes=indexes, interrupted=[], split=False)
            )
        else:
            count = held.received.receive_count
            self._leases.put_back(
                held, growing_seconds(count, _FIRST_SECONDS, _MAX_SECONDS), reason
            )

    def leave(self, held: Held) -> None:
        """Leave it to its lease's end."""
        self._leases.release(held)
