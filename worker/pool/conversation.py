"""One child and the tasks it was given: what it says, what it is told, when it is ended.

`left` are the tasks that have begun or may begin, in order: its first is the one that runs. What is
taken back from the child is handed away at once, or kept in `_later` for the child's successor.
"""

from __future__ import annotations

import math
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count

from orchestrator.model.states import Outcome
from worker.clock import Clock
from worker.ending import Ending, Failure
from worker.frames import Frame
from worker.pool import verdict
from worker.pool.events import Batch, Dropped, Event, Finished, Lost, Returned, Run
from worker.pool.orders import Orders, Wake
from worker.pool.output import TaskOutput
from worker.pool.process import ChildProcess
from worker.processes import oom_kills

type OutputMaker = Callable[[Run], TaskOutput]
_LEFTOVER_SECONDS = 60.0
_FILL_BYTES_PER_SECOND = 4 * 1024**3
"""As fast as a process can touch new pages: one thread fills 1.1 GiB a second (measured on two cores
of a cloud machine), and libraries have several.
"""
_SAMPLE_MIN_SECONDS = 0.01
"""Looking costs some 50 microseconds, half a percent of a core at worst."""
_numbers = count(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Times in seconds, memory in bytes (0: none).

    What has not begun of a message goes elsewhere once the message has taken `slow_seconds`, or the task that
    runs `stalled_seconds`: short tasks do not wait behind a long one.
    """

    memory_bytes: int = 0
    slow_seconds: float = 10.0
    stalled_seconds: float = 1.0
    cancel_grace_seconds: float = 30.0
    kill_grace_seconds: float = 2.0
    sample_seconds: float = 0.1

    def sample_after(self, used_bytes: int) -> float:
        """Return when to look at a child's memory again: before it can fill what it has left.

        With cgroup v2 the kubelet has the kernel kill all of a container that is full, so a child must be
        found above its share before that.
        """
        soonest = max(self.memory_bytes - used_bytes, 0) / _FILL_BYTES_PER_SECOND
        return min(max(soonest, _SAMPLE_MIN_SECONDS), self.sample_seconds)


@dataclass(slots=True)
class Kill:
    """The decision to end the child because of `run`; without an ending that one goes back."""

    run: Run | None
    ending: Ending | None
    insist_at: float


class Conversation:
    """From the order to the child's word that it is done, or to its death."""

    def __init__(
        self,
        *,
        child: ChildProcess,
        batch: Batch,
        left: list[Run],
        orders: Orders,
        limits: Limits,
        slow_at: float,
        wake: Wake,
        make_output: OutputMaker,
        clock: Clock,
    ) -> None:
        self._child = child
        self._batch = batch
        self._left = left
        self._later: list[Run] = []
        self._orders = orders
        self._limits = limits
        self._slow_at = slow_at
        self._wake = wake
        self._make_output = make_output
        self._clock = clock
        self._number = next(_numbers)
        self._since = clock()
        # An idle child holds half of its share at most.
        self._sample_at = self._since + limits.sample_after(limits.memory_bytes // 2)
        self._cancel_at: float | None = None
        self._kill: Kill | None = None
        self._output: TaskOutput | None = None
        self._progress: float | None = None
        self._done = False
        self._unfit = False
        self._told_of_drain = False
        self._looked_at = -math.inf
        self._oom_kills = oom_kills()

    @property
    def unfinished(self) -> list[Run]:
        """The tasks that did not begin and were not handed away."""
        return self._left + self._later

    @property
    def running(self) -> tuple[Run, float, float | None] | None:
        """The task that runs now (as far as is known), since when, and its progress."""
        left = self._left[:1]
        return (left[0], self._since, self._progress) if left else None

    def events(self) -> Iterator[Event]:
        """Yield what comes of the tasks; those of `unfinished` are still to be run."""
        self._child.tickets.grant(len(self._left))
        self._child.send(self._batch.order(self._number, self._left))
        while not self._done or self._kill:
            self._child.wait(self._wake.fd, self._patience())
            yield from self._hear()
            if self._unfit and not self._kill:
                self._child.gone = True  # What it has not begun is its successor's.
                return
            if self._child.gone:
                yield from self._bury()
                return
            yield from self._obey()
            self._judge()

    # What the child says

    def _hear(self) -> Iterator[Event]:
        # What a task printed was written before its end was told, so it is read after that is received.
        frames = list(self._child.frames())
        self._read_output()
        for frame in frames:
            match frame.header["type"]:
                case "ended":
                    yield self._ended(frame)
                case "progress":
                    self._progress = frame.header["fraction"]
                case "log":
                    self._task_output().logged(frame.header)
                case "done":
                    self._done = True
                    self._unfit = not frame.header["fit"]

    def _ended(self, frame: Frame) -> Event:
        run, duration_ms = self._left.pop(0), frame.header["duration_ms"]
        ending = self._unless_late(run, _ending(frame), duration_ms)
        finished = self._finish(run, ending, duration_ms)
        if ending.outcome is Outcome.INTERRUPTED:
            return Returned([run.index], [run.index], split=False)
        return finished

    def _unless_late(self, run: Run, ending: Ending, duration_ms: int) -> Ending:
        """A result that came after the time-out does not count, by the child's own clock."""
        kill = self._kill
        if kill is None or kill.run is not run or kill.ending is None:
            return ending
        late = duration_ms > self._batch.timeout_seconds * 1000
        return kill.ending if late and kill.ending.outcome is Outcome.TIMED_OUT else ending

    def _finish(self, run: Run, ending: Ending, duration_ms: int) -> Finished:
        if self._output is not None:
            self._output.end()
            self._output = None
        self._progress = None
        self._since = self._clock()
        return Finished(run, ending, duration_ms, self._since)

    def _read_output(self) -> None:
        data = self._child.output()
        if data:
            self._task_output().printed(data)

    def _task_output(self) -> TaskOutput:
        if self._output is None:
            self._output = self._make_output(self._left[0] if self._left else self._batch.runs[-1])
        return self._output

    # What the worker wants

    def _obey(self) -> Iterator[Event]:
        orders = self._orders
        if orders.give_back and not self._told_of_drain:
            self._told_of_drain = True
            self._child.send({"type": "drain"})
        if orders.lost:
            self._end_child(None, None, signal.SIGKILL)
        elif orders.cancelled:
            yield from self._cancel()
        elif orders.hands_back:
            yield from self._return_unstarted(split=False)
        elif self._clock() >= self._split_at():
            self._slow_at, self._looked_at = math.inf, self._clock()
            yield from self._return_unstarted(split=True)
        if orders.interrupt:
            self._end_child(self._left[0] if self._left else None, None, signal.SIGTERM)

    def _split_at(self) -> float:
        """Return when what has not begun goes elsewhere; never where only what runs is left.

        What the child has begun meanwhile, without word of it here yet, is looked at again as late.
        """
        if len(self._left) + len(self._later) < 2:
            return math.inf
        began = max(self._since, self._looked_at)
        return min(self._slow_at, began + self._limits.stalled_seconds)

    def _cancel(self) -> Iterator[Event]:
        if self._cancel_at is None:
            self._cancel_at = self._clock() + self._limits.cancel_grace_seconds
            self._child.send({"type": "cancel", "order": self._number})
            dropped = self._take_back() + self._later
            self._later = []
            if dropped:
                yield Dropped([run.index for run in dropped])

    def _return_unstarted(self, *, split: bool) -> Iterator[Event]:
        returned = (self._take_back() if len(self._left) > 1 else []) + self._later
        self._later = []
        if returned:
            yield Returned([run.index for run in returned], [], split)

    def _take_back(self) -> list[Run]:
        """Take the tickets that the child has not used; the tasks at the end of `left` are theirs."""
        taken = self._child.tickets.take(len(self._left)) if self._left else 0
        back = self._left[len(self._left) - taken :]
        del self._left[len(self._left) - taken :]
        return back

    # What cannot go on

    def _judge(self) -> None:
        now = self._clock()
        if self._kill is not None:
            if now >= self._kill.insist_at:
                self._child.signal(signal.SIGKILL)
                self._kill.insist_at = now + self._limits.kill_grace_seconds
        elif self._left:
            self._judge_running(self._left[0], now)

    def _judge_running(self, run: Run, now: float) -> None:
        timeout = self._batch.timeout_seconds
        if now >= self._since + timeout:
            self._end_child(run, verdict.timed_out(timeout), signal.SIGTERM)
        elif self._cancel_at is not None and now >= self._cancel_at:
            ending = verdict.cancelled(self._limits.cancel_grace_seconds)
            self._end_child(run, ending, signal.SIGTERM)
        elif self._limits.memory_bytes and now >= self._sample_at:
            used = self._child.resident_bytes()
            self._sample_at = now + self._limits.sample_after(used)
            if used > self._limits.memory_bytes:
                ending = verdict.out_of_memory(used, self._limits.memory_bytes)
                self._end_child(run, ending, signal.SIGKILL)

    def _end_child(self, run: Run | None, ending: Ending | None, number: signal.Signals) -> None:
        if self._kill is None:
            self._later = self._take_back() + self._later
            self._kill = Kill(run, ending, self._clock() + self._limits.kill_grace_seconds)
            self._child.signal(number)

    def _bury(self) -> Iterator[Event]:
        self._later = self._take_back() + self._later
        code = self._child.bury()
        while data := self._child.output():
            self._task_output().printed(data)
        if self._orders.lost:
            yield Lost([run.index for run in self.unfinished])
            self._left, self._later = [], []
        elif self._left:
            yield self._fate(self._left.pop(0), code)

    def _fate(self, run: Run, code: int | None) -> Event:
        """Return what came of the task that ran when the child died."""
        kill = self._kill
        if kill is not None and (kill.run is not run or kill.ending is None):
            return Returned([run.index], [run.index], split=False)
        if kill is not None and kill.ending is not None:
            ending = kill.ending
        elif code == -signal.SIGKILL and oom_kills() > self._oom_kills:
            ending = verdict.killed_for_memory()
        else:
            ending = verdict.broke_the_pipe() if code is None else verdict.crashed(code)
        return self._finish(run, ending, round((self._clock() - self._since) * 1000))

    def _patience(self) -> float:
        """Return how long nothing needs to be judged, in seconds."""
        now = self._clock()
        if self._kill is not None:
            return self._kill.insist_at - now
        ends = [
            self._since + self._batch.timeout_seconds if self._left else now + _LEFTOVER_SECONDS
        ]
        ends.append(self._split_at())
        if self._cancel_at is not None:
            ends.append(self._cancel_at)
        if self._limits.memory_bytes:
            ends.append(self._sample_at)
        return min(ends) - now


def _ending(frame: Frame) -> Ending:
    error = frame.header["error"]
    outcome = Outcome(frame.header["outcome"])
    if error is None:
        return Ending(outcome=outcome, result=frame.body)
    return Ending(outcome=outcome, error=Failure(**error))
