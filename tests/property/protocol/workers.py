"""Workers as the protocol makes them: claim, run, report first, delete last, die at any time.

What they know of jobs, and whether that lets a message run, is the worker's own code.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import cast

from orchestrator.model.states import Outcome
from orchestrator.model.wire import (
    ClaimIn,
    ClaimMessage,
    ClaimOut,
    CompleteIn,
    CompleteOut,
    HeartbeatIn,
    HeartbeatOut,
    Report,
    Run,
    RunningTask,
    TaskError,
    TaskMessage,
    Unstarted,
)
from orchestrator.service.beat import heartbeat
from orchestrator.service.claim import claim
from orchestrator.service.report import complete
from tests.property.protocol.calls import LIVE, Call, Fate
from tests.property.protocol.outside import Envelope, Outside
from worker.jobs import Jobs, Verdict, judge


@dataclass
class Held:
    """A message that a worker has received: what is to be run, and what became of the rest."""

    worker: str
    envelope: Envelope
    receive_count: int
    todo: list[int]
    reports: list[Report] = field(default_factory=list)
    answered: set[int] = field(default_factory=set)
    own: frozenset[int] = frozenset()

    @property
    def message(self) -> TaskMessage:
        """Return the message."""
        return self.envelope.body

    def unanswered(self) -> list[Report]:
        """Return the reports that are not answered yet."""
        return [report for report in self.reports if report.index not in self.answered]


class Workers:
    """A fleet: what each worker knows and holds, and every report ever made."""

    def __init__(self, outside: Outside) -> None:
        self._outside = outside
        self.held: list[Held] = []
        self.reports: list[Report] = []
        self.given: list[Unstarted] = []
        self._jobs: dict[str, Jobs] = {}
        self._runs = 0

    def jobs(self, worker: str) -> Jobs:
        """Return what a worker knows."""
        return self._jobs.setdefault(worker, Jobs(self._seconds))

    def _seconds(self) -> float:
        return self._outside.clock.timestamp()

    def receive(self, worker: str, envelope: Envelope) -> Call | None:
        """Receive a message: claim it if it needs that (the call), else hold or drop it at once."""
        envelope.receives += 1
        message = envelope.body
        held = Held(worker, envelope, envelope.receives, message.tasks())
        jobs, again = self.jobs(worker), envelope.receives > 1
        named = again or message.hold is True
        if not named and not jobs.must_ask(message):
            self._admit(held, None)
            return None
        fields = {"job", "gen", "attempt", "start", "stop", "indexes", "hold"}
        asked = ClaimMessage(
            message_id=envelope.message_id,
            receive_count=envelope.receives,
            begins=again,
            **message.model_dump(include=fields),
        )
        body = ClaimIn(worker_id=worker, jobs=[message.job], messages=[asked] if named else [])

        def then(answer: object) -> None:
            out = cast(ClaimOut, answer)
            jobs.learn(out.jobs)
            self._admit(held, out)

        return Call("claim", lambda: claim(self._outside.deps, body), then)

    def _admit(self, held: Held, answer: ClaimOut | None) -> None:
        """Hold, drop or leave a message, as `worker.admission` does."""
        told = answer.messages.get(held.envelope.message_id) if answer else None
        info = self.jobs(held.worker).get(held.message.job)
        verdict = Verdict.DROP if told == "drop" else judge(held.message, info)
        if verdict is Verdict.DROP:
            held.envelope.deleted = True
        elif verdict is Verdict.RUN:
            if isinstance(told, Run):
                held.todo = list(told.run)
            held.own = frozenset(held.todo)
            self.held.append(held)

    def hold(self, worker: str, envelope: Envelope) -> Held:
        """Hold a message whose job is known."""
        envelope.receives += 1
        todo = envelope.body.tasks()
        self.held.append(Held(worker, envelope, envelope.receives, todo, own=frozenset(todo)))
        return self.held[-1]

    def run(self, held: Held, outcome: Outcome, *, retryable: bool = True) -> None:
        """Run the next task of a message."""
        index = held.todo.pop(0)
        self._runs += 1
        failed = outcome is not Outcome.SUCCEEDED
        report = Report(
            job=held.message.job,
            gen=held.message.gen,
            index=index,
            attempt=held.message.attempt,
            run_id=f"run-{self._runs:05d}",
            outcome=outcome,
            result=None if failed else {"run": self._runs},
            error=TaskError(type="Boom", message="broke", retryable=retryable) if failed else None,
        )
        held.reports.append(report)
        self.reports.append(report)

    def report(self, worker: str, reports: Sequence[Report], members: Sequence[Held]) -> Call:
        """Report runs; what is answered of `members` need not be reported again."""
        body = CompleteIn(worker_id=worker, reports=list(reports))

        def then(answer: object) -> None:
            statuses = cast(CompleteOut, answer).reports
            assert len(statuses) == len(reports)
            for held in members:
                held.answered.update(r.index for r in reports if r in held.reports)

        return Call("complete", lambda: complete(self._outside.deps, body), then)

    def give_back(self, held: Held, *, interrupted: bool, split: bool) -> Call:
        """Give back what is not run; with `interrupted` the next one had begun."""
        fields = held.message.model_dump(include={"job", "gen", "attempt"})
        item = Unstarted(
            message_id=held.envelope.message_id,
            receive_count=held.receive_count,
            indexes=held.todo[:],
            interrupted=held.todo[:1] if interrupted else [],
            interruptions=held.message.interruptions,
            split=split,
            **fields,
        )
        self.given.append(item)
        left, held.todo = held.todo, []

        def then(answer: object) -> None:
            if cast(CompleteOut, answer).unstarted[item.message_id] == "given":
                held.answered.update(left)

        return self.repeat_give_back(item, held.worker, then)

    def repeat_give_back(
        self, item: Unstarted, worker: str, then: Callable[[object], None] = lambda _: None
    ) -> Call:
        """Send a give-back, again perhaps."""
        body = CompleteIn(worker_id=worker, unstarted=[item])
        return Call("complete", lambda: complete(self._outside.deps, body), then)

    def settle(self, held: Held) -> bool:
        """Delete a message each of whose tasks is answered or given back; tell whether it was."""
        if not held.own <= held.answered:
            return False
        held.envelope.deleted = True
        self.held.remove(held)
        return True

    def beat(self, worker: str, nodes: Sequence[int]) -> Call:
        """Say what runs, and which nodes were reported to."""
        mine = [held for held in self.held if held.worker == worker and held.todo]
        running = {
            (held.message.job, held.todo[0]): RunningTask(
                job=held.message.job,
                index=held.todo[0],
                attempt=held.message.attempt,
                since_ms=10,
            )
            for held in mine
        }
        known = {held.message.job for held in self.held} or set(self._outside.checked.tables.jobs)
        body = HeartbeatIn(
            version="1",
            slots=4,
            handlers=["echo"],
            running=list(running.values()),
            touched={job: list(nodes) for job in known},
        )

        def then(answer: object) -> None:
            self.jobs(worker).learn_states(cast(HeartbeatOut, answer).jobs)

        return Call("heartbeat", lambda: heartbeat(self._outside.deps, worker, body), then)

    def work(
        self,
        envelope: Envelope,
        outcome: Outcome,
        fate: Fate,
        begin: Callable[[Call, Fate], None] = Call.start,
    ) -> None:
        """Receive, run, report and delete, with `fate` in the report."""
        call = self.receive("w-steady", envelope)
        if call is not None:
            call.start(LIVE)
        for held in [each for each in self.held if each.envelope is envelope][-1:]:
            while held.todo:
                self.run(held, outcome)
            if held.unanswered():
                begin(self.report(held.worker, held.unanswered(), [held]), fate)
            self.settle(held)
