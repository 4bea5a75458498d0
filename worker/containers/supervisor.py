"""The supervisor of containers: one thread that decides, and no slot for any of them.

A container outlives its worker. So nothing is ended because a worker ends or loses a lease: whoever gets
the message next finds the Job by its name and goes on with it.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable

from orchestrator.model.states import Outcome
from orchestrator.model.wire import RunningTask
from worker.clock import Clock
from worker.containers.board import Board
from worker.containers.calls import Calls
from worker.containers.identity import Identity
from worker.containers.objects import JobSeen
from worker.containers.postponing import Postponing
from worker.containers.run import Run, Stage
from worker.containers.settings import ContainerSettings
from worker.containers.verdict import Over, State, given_up, look
from worker.containers.view import View
from worker.health import Pulse
from worker.held import Held
from worker.leases import Leases
from worker.log import Log
from worker.reporter import Reporter

TICK_SECONDS = 0.5
UNSEEN_SECONDS = 60.0
"""A Job that was created and is not seen after so long is created again, which finds it if it is there."""
_CREATIONS_MAX = 3
_HANDED_OVER = frozenset({Stage.NEW, Stage.WATCHED, Stage.ASKING})


class Supervisor:
    """Looks after the runs of this worker. `take` is called by the poller's thread."""

    def __init__(
        self,
        *,
        board: Board,
        view: View,
        calls: Calls,
        postponing: Postponing,
        settings: ContainerSettings,
        leases: Leases,
        reporter: Reporter,
        on_message: Callable[[Held], None],
        stopping: threading.Event,
        bell: threading.Event,
        log: Log,
        clock: Clock,
        pulse: Pulse,
    ) -> None:
        self._board = board
        self._view = view
        self._calls = calls
        self._postponing = postponing
        self._settings = settings
        self._leases = leases
        self._reporter = reporter
        self._on_message = on_message
        self._stopping = stopping
        self._bell = bell
        self._log = log
        self._clock = clock
        self._pulse = pulse
        self._closed = False
        self._thread = threading.Thread(target=self._supervise, name="containers", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def close(self, timeout_seconds: float) -> None:
        """End the threads, not the containers."""
        self._closed = True
        self._bell.set()
        if self._thread.ident is not None:
            self._thread.join(timeout_seconds)
        self._calls.close()

    @property
    def running(self) -> list[RunningTask]:
        """What is looked after now, for heartbeats."""
        now = self._clock()
        return [
            RunningTask(
                job=run.identity.job,
                index=run.identity.index,
                attempt=run.identity.attempt,
                since_ms=max(0, round((now - run.began_at) * 1000)),
            )
            for run in self._board.all()
        ]

    def take(self, held: Held) -> None:
        """Look after a message's containers, or put it back where there is no place."""
        held.ready_at = held.began_at = now = self._clock()
        if self._stopping.is_set():
            self._postponing.hand_over(held)
            return
        runs = [
            Run(
                held=held,
                identity=Identity.of(held.message, index),
                run_id=secrets.token_hex(16),
                began_at=now,
            )
            for index in sorted(held.unsettled)
        ]
        refusal = self._board.add(runs)
        if refusal is not None:
            self._postponing.later(held, refusal)
            return
        self._log.info("received", receive_count=held.received.receive_count, **held.names)
        self._on_message(held)
        self._bell.set()

    # The thread

    def _supervise(self) -> None:
        self._pulse.begin()
        while not self._closed:
            self._bell.wait(TICK_SECONDS)
            self._bell.clear()
            self._pulse.beat()
            self.turn()
        self._pulse.end()

    def turn(self) -> None:
        """Look at all runs once."""
        for run in self._board.all():
            # In this order: a call that ends a run removes it before it is no longer busy.
            if not run.busy and self._board.has(run):
                try:
                    self._step(run)
                except Exception:
                    self._calls.let_go(run)

    def _step(self, run: Run) -> None:
        orders = run.held.orders
        if not self._leases.ours(run.held):
            self._log.info("container_left", reason="the lease is lost", **run.names)
            self._board.remove(run)
            self._reporter.forget(run.held)
        elif orders.cancelled and run.stage is not Stage.CANCELLING:
            run.go_on(Stage.CANCELLING)
            self._calls.submit(run)
        elif orders.give_back and run.stage in _HANDED_OVER:
            self._hand_over(run.held)
        elif self._clock() >= run.not_before:
            self._go_on(run)

    def _hand_over(self, held: Held) -> None:
        """The worker ends: another one goes on with the message, once no last word is being said."""
        mine = self._board.of(held)
        if all(run.stage in _HANDED_OVER and not run.busy for run in mine):
            self._board.remove(*mine)
            self._postponing.hand_over(held)

    def _go_on(self, run: Run) -> None:
        if run.stage is Stage.WATCHED:
            self._watch(run)
        elif run.stage is Stage.NEW and self._view.job(run.name) is not None:
            self._log.info("container_adopted", **run.names)
            run.go_on(Stage.WATCHED)
            self._watch(run)
        else:
            self._calls.submit(run)

    # What is seen

    def _watch(self, run: Run) -> None:
        job = self._view.job(run.name)
        if job is None:
            self._unseen(run)
        elif job.identity != run.identity:
            text = f"another Job has the name {run.name}"
            self._end(
                run, Over(outcome=Outcome.FAILED, type="NameTaken", message=text, job_stays=True)
            )
        else:
            self._judge(run, job)

    def _unseen(self, run: Run) -> None:
        """The Job is not there yet, or not any more: deleted by someone, or after its time."""
        if run.seen:
            self._end(run, Over(outcome=Outcome.INTERRUPTED, message="its Job was deleted"))
        elif self._clock() - run.created_at > UNSEEN_SECONDS:
            if run.creations >= _CREATIONS_MAX:
                raise RuntimeError(f"the Job {run.name} is there, but not among this fleet's own")
            run.go_on(Stage.NEW)

    def _judge(self, run: Run, job: JobSeen) -> None:
        now = self._clock()
        run.seen, run.run_id = True, job.run_id or run.run_id
        sight = look(job, self._view.pods(run.name))
        if sight.state is not run.state:
            run.state, run.since = sight.state, now
            self._log.info(
                "container_seen", state=sight.state.value, detail=sight.detail, **run.names
            )
        over = given_up(job, sight, now - run.since, self._settings)
        if over is not None:
            self._end(run, over)
        elif sight.state is State.NO_POD and now - run.since > self._settings.pending_seconds:
            run.go_on(Stage.ASKING)
            self._calls.submit(run)

    def _end(self, run: Run, over: Over) -> None:
        run.over = over
        run.go_on(Stage.ENDING)
        self._calls.submit(run)
