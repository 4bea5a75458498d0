"""A job's surroundings, the calls that may be made in them, and how all of them are brought to an end."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest

from orchestrator.model.states import JobState, Outcome
from orchestrator.service.control import cancel_job, retry_job
from orchestrator.service.enqueue import enqueue_tasks
from orchestrator.service.submit import submit_job
from orchestrator.spec import RetryJobIn, SubmitJobIn
from tests.fakes.cluster import ALICE
from tests.property.protocol.calls import LIVE, Call, Fate
from tests.property.protocol.draws import LIFETIMES, STEP_LIFETIME
from tests.property.protocol.executions import Executions
from tests.property.protocol.healing import ROUNDS, heal
from tests.property.protocol.invariants import Watch
from tests.property.protocol.outside import Execution, Outside
from tests.property.protocol.sizes import shrink
from tests.property.protocol.workers import Workers


class Stage:
    """One job with everything around it, on a tree of small leaves."""

    def __init__(self) -> None:
        self.patch = pytest.MonkeyPatch()
        shrink(self.patch)
        self.outside = Outside()
        self.executions = Executions(self.outside)
        self.workers = Workers(self.outside)
        self.watch = Watch(self.outside, self.workers)
        self.rounds = ROUNDS
        self.other_outcome = Outcome.SUCCEEDED
        self.stalled: list[tuple[Call, float]] = []
        self.submission = SubmitJobIn.model_validate(
            {"name": "a job", "handler": "echo", "tasks": {"count": 1}}
        )

    def begin(self, call: Call | None, fate: Fate) -> None:
        """Start a call; keep it if it stalls."""
        self.attempt(call, fate)

    def attempt(self, call: Call | None, fate: Fate) -> Call | None:
        """Start a call, keep it if it stalls, and return it."""
        if call is None:
            return None
        call.start(fate)
        if not call.ended:
            life = LIFETIMES.get(call.name.split()[0], STEP_LIFETIME)
            self.stalled.append((call, self.outside.clock.timestamp() + life))
        return call

    def call(self, name: str, function: Callable[[], object], fate: Fate) -> None:
        """Start a call whose answer nobody needs."""
        self.begin(Call(name, function), fate)

    @property
    def all_executions(self) -> list[Execution]:
        return list(self.outside.step_functions.executions.values())

    @property
    def job_id(self) -> str | None:
        return next(iter(self.outside.checked.tables.jobs), None)

    @property
    def is_final(self) -> bool:
        return any(job.state.final for job in self.outside.checked.tables.jobs.values())

    @property
    def has_succeeded(self) -> bool:
        jobs = self.outside.checked.tables.jobs.values()
        return any(job.state is JobState.SUCCEEDED for job in jobs)

    def work_off(self, results: list[Outcome]) -> None:
        """Work on some messages, and let more be enqueued."""
        for outcome, envelope in zip(results, self.outside.sqs.waiting, strict=False):
            self.outside.wait(1)
            self.workers.work(envelope, outcome, LIVE, self.begin)
        while self.outside.enqueues:
            self.enqueue_later(LIVE)

    def run_machine(self) -> None:
        """Let all executions go on until they wait or end."""
        for execution in self.all_executions:
            for _ in range(60):
                if execution.status != "RUNNING" or execution.step == "wait":
                    break
                self.begin(self.executions.call(execution), LIVE)

    def submit(self, fate: Fate) -> None:
        """Submit, or repeat a submission after a lost reply."""
        submission = self.submission
        self.call(
            "submit",
            lambda: submit_job(
                self.outside.deps, ALICE, submission, idempotency_key="once", request_id="r"
            ),
            fate,
        )

    def retry(self, indexes: list[int] | None, key: str | None, fate: Fate) -> None:
        """Retry the job; a key stands for one retry however often it is sent."""
        job_id = self.job_id or ""
        body = RetryJobIn(indexes=indexes if key is None else None)
        self.watch.retry_asked(key)
        self.call(
            "retry",
            lambda: retry_job(
                self.outside.deps, ALICE, job_id, body, idempotency_key=key, request_id="r"
            ),
            fate,
        )

    def enqueue_later(self, fate: Fate) -> None:
        """An asynchronous EnqueueTasks comes, asked for by whomever, of whichever generation."""
        asked = self.outside.enqueues or [(self.job_id or "", 1)]
        job_id, gen = asked.pop(0)
        self.call(
            "enqueue",
            lambda: enqueue_tasks(
                self.outside.deps, job_id, gen, seconds_left=lambda: 60.0, in_machine=False
            ),
            fate,
        )

    def cancel(self, fate: Fate) -> None:
        """Cancel the job."""
        job_id = self.job_id or ""
        self.call("cancel", lambda: cancel_job(self.outside.deps, ALICE, job_id), fate)

    def outlive_the_queue(self) -> None:
        """Messages grow older than the queue keeps them."""
        self.outside.outlived = True
        self.wait(timedelta(days=12).total_seconds())
        for envelope in self.outside.sqs.waiting:
            envelope.deleted = True

    def wait(self, seconds: float) -> None:
        """Let time pass; what Lambda would have ended by then is ended."""
        self.outside.wait(seconds)
        now = self.outside.clock.timestamp()
        for call, end in list(self.stalled):
            if end < now:
                self.stalled.remove((call, end))
                call.resume(Fate("die"))

    @contextmanager
    def ending(self) -> Iterator[None]:
        """Heal at the end of the block, unless something is broken already."""
        broken = sys.exc_info()[0] is not None
        try:
            yield
        except BaseException:
            broken = True
            raise
        finally:
            try:
                self.end_calls(broken)
                if not broken:
                    self.watch.check()
                    heal(self.outside, self.executions, self.workers, self.watch, self.rounds)
            finally:
                self.patch.undo()

    def end_calls(self, broken: bool) -> None:
        """End the calls that are stalled: some go on, some never do."""
        for number, (call, _) in enumerate(self.stalled):
            call.resume(LIVE if number % 2 and not broken else Fate("die"))
