"""The steps that call the outside, on a few threads: create, ask why, end, cancel."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import replace

from worker.clock import Clock
from worker.containers.board import Board
from worker.containers.finisher import Finisher
from worker.containers.ports import Cluster, Refused
from worker.containers.postponing import Postponing
from worker.containers.run import Run, Stage
from worker.containers.settings import ContainerSettings
from worker.containers.starter import Starter
from worker.containers.verdict import without_pod
from worker.log import Log
from worker.ports import Unavailable

_CALLERS = 8
EVENTS_SECONDS = 60.0
"""Between two looks at why a Job has no pod."""


class Calls:
    """Carries out what a run's stage asks for; `done` is called after each, whatever came of it."""

    def __init__(
        self,
        *,
        cluster: Cluster,
        board: Board,
        starter: Starter,
        finisher: Finisher,
        postponing: Postponing,
        settings: ContainerSettings,
        done: Callable[[], None],
        log: Log,
        clock: Clock,
        threads: Executor | None = None,
    ) -> None:
        self._cluster = cluster
        self._board = board
        self._starter = starter
        self._finisher = finisher
        self._postponing = postponing
        self._settings = settings
        self._done = done
        self._log = log
        self._clock = clock
        self._threads = threads or ThreadPoolExecutor(_CALLERS, thread_name_prefix="containers")

    def submit(self, run: Run) -> None:
        """Have a run's step carried out soon; until then the run is busy."""
        run.busy = True
        self._threads.submit(self._perform, run)

    def close(self) -> None:
        """Carry out nothing more."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _perform(self, run: Run) -> None:
        try:
            self._act(run)
        except (Unavailable, Refused) as error:
            self._again(run, error)
        except Exception:
            self.let_go(run)
        finally:
            run.busy = False
            self._done()

    def _act(self, run: Run) -> None:
        if run.stage is Stage.NEW:
            self._begin(run)
        elif run.stage is Stage.ASKING:
            self._ask(run)
        elif run.stage is Stage.CANCELLING:
            self._finisher.cancel(run)
            self._board.remove(run)
        elif run.over is not None:
            self._finisher.finish(run, run.over)
            self._board.remove(run)

    def _begin(self, run: Run) -> None:
        run.creations += 1
        over = self._starter.start(run)
        if over is None:
            run.created_at = self._clock()
            run.go_on(Stage.WATCHED)
        else:
            run.over = replace(over, job_stays=True)  # There is none.
            run.go_on(Stage.ENDING)

    def _ask(self, run: Run) -> None:
        over = without_pod(self._cluster.events_of(run.name), self._settings)
        if over is None:
            run.go_on(Stage.WATCHED)
            run.since = self._clock() - self._settings.pending_seconds + EVENTS_SECONDS
        else:
            run.over = over
            run.go_on(Stage.ENDING)

    def _again(self, run: Run, error: Unavailable | Refused) -> None:
        """Try again after a while; what cannot begin for long makes place for others."""
        ours = isinstance(error, Refused) and error.is_ours
        tell = self._log.error if ours else self._log.warning
        tell("container_waits", reason=str(error), stage=run.stage.name, **run.names)
        run.not_before = self._clock() + run.backoff.next_seconds()
        waited = self._clock() - run.began_at
        alone = self._board.of(run.held) == [run]
        if run.stage is Stage.NEW and alone and waited > self._settings.pending_seconds:
            self._board.remove(run)
            self._postponing.later(run.held, f"it cannot begin: {error}")

    def let_go(self, run: Run) -> None:
        """A fault of this worker, not of the task: leave the message to its redelivery."""
        self._log.error("container_failed", traceback=traceback.format_exc()[-3000:], **run.names)
        self._board.remove(*self._board.of(run.held))
        self._postponing.leave(run.held)
