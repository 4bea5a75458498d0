"""Calls that live, die, fail or stall between any two of their requests, all under the machine's control.

A call that is told to stall runs in a thread of its own, which runs only while the machine waits for
it: at any time exactly one of them goes on, so an example is the same each time it is run.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from orchestrator.errors import OrchestratorError

Kind = Literal["live", "die", "fail", "stall"]


class Died(BaseException):
    """The process ended here, without a word."""


class Failed(ConnectionError):
    """A request failed, as a throttled one does after its retries."""


@dataclass(frozen=True, slots=True)
class Fate:
    """What becomes of a call at its gate number `gates` (from 0): each request has a gate before it."""

    kind: Kind = "live"
    gates: int = 0


LIVE = Fate()
_current = threading.local()


def gate(_: str = "") -> None:
    """Come to a point where the process may die or be overtaken; outside of a call, pass."""
    call: Call | None = getattr(_current, "call", None)
    if call is not None:
        call.pass_gate()


class Call:
    """One call of a use case, as a Lambda makes it. `then` takes its answer, `otherwise` hears of its end
    without one.
    """

    def __init__(
        self,
        name: str,
        function: Callable[[], object],
        then: Callable[[object], None] = lambda _: None,
        otherwise: Callable[[], None] = lambda: None,
    ) -> None:
        self.name = name
        self.ended = False
        self.passed = 0
        self._function, self._then, self._otherwise = function, then, otherwise
        self._fate = LIVE
        self._left = 0
        self._answer: object = None
        self._error: BaseException | None = None
        self._thread: threading.Thread | None = None
        self._go, self._back = threading.Semaphore(0), threading.Semaphore(0)

    def start(self, fate: Fate) -> None:
        """Run until the fate strikes or the call ends."""
        self._fate, self._left = fate, fate.gates
        if fate.kind == "stall":
            self._thread = threading.Thread(target=self._in_thread, daemon=True)
            self._thread.start()
            self._go_on()
        else:
            self._run()
            self._end()

    def resume(self, fate: Fate) -> None:
        """Let a stalled call go on until its next fate."""
        self._fate, self._left = fate, fate.gates
        self._go_on()

    def _go_on(self) -> None:
        self._go.release()
        self._back.acquire()
        if self._thread is not None and self.ended:
            self._thread.join()
            self._end()

    def _in_thread(self) -> None:
        self._go.acquire()
        self._run()
        self._back.release()

    def _run(self) -> None:
        _current.call = self
        try:
            self._answer = self._function()
        except BaseException as error:
            self._error = error
        finally:
            _current.call = None
            self.ended = True

    def _end(self) -> None:
        """Hand over the answer; only an error that a Lambda may end with is no fault of the product."""
        self.ended = True
        if self._error is None:
            self._then(self._answer)
        elif isinstance(self._error, (Died, Failed, OrchestratorError)):
            self._otherwise()
        else:
            raise self._error

    def pass_gate(self) -> None:
        """Die, fail or wait here if it is time; then count on."""
        self.passed += 1
        if self._fate.kind == "live":
            return
        while self._left == 0 and self._fate.kind == "stall":
            self._back.release()
            self._go.acquire()
        if self._left == 0 and self._fate.kind == "die":
            raise Died
        if self._left == 0 and self._fate.kind == "fail":
            self._fate = LIVE
            raise Failed("told to fail")
        self._left -= 1
