"""The rules: everything that may happen to one job, in any order, each call under any fate."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from orchestrator.model.states import Outcome
from orchestrator.service.dead_letters import dead_letter
from orchestrator.service.sweep import execution_ended, sweep
from orchestrator.spec import SubmitJobIn
from tests.property.protocol.calls import LIVE, Call, Fate
from tests.property.protocol.draws import (
    fates,
    jitters,
    outcome_lists,
    outcomes,
    picks,
    submissions,
    workers,
)
from tests.property.protocol.stage import Stage


class Protocol(Stage, RuleBasedStateMachine):
    """One job under every crash, stall, repetition and order of calls."""

    def __init__(self) -> None:
        RuleBasedStateMachine.__init__(self)
        Stage.__init__(self)

    # the job
    @initialize(
        submission=submissions(),
        phase=st.sampled_from([2, 7, 4, 5, 7, 6, 0, 1, 7, 3]),
        bad=outcome_lists,
    )
    def prepare(self, submission: SubmitJobIn, phase: int, bad: list[Outcome]) -> None:
        """Begin at some stage: nothing, submitted, enqueued, half done, ended, retried and enqueued."""
        self.submission = submission
        sweep(self.outside.deps, lambda: 40.0)  # From now on the outbox is looked after.
        if phase >= 1:
            self.submit(LIVE)
        if phase >= 2:
            self.run_machine()
        if phase >= 4:
            for _ in range(6):
                self.work_off(bad if phase < 7 else [Outcome.BAD_RESULT, *bad])
        if phase >= 6:
            self.run_machine()
        if phase >= 7:
            self.retry(None, "k0", LIVE)
            self.run_machine()

    @precondition(lambda self: not self.job_id)
    @rule(fate=fates)
    def submit_again(self, fate: Fate) -> None:
        """Submit, or repeat a submission that was lost."""
        self.submit(fate)

    @precondition(lambda self: self.is_final)
    @rule(
        indexes=st.none() | st.lists(st.integers(0, 6), min_size=1, max_size=3),
        key=st.sampled_from(["k0", "k1", "k2", None]),
        fate=fates,
    )
    def reopen(self, indexes: list[int] | None, key: str | None, fate: Fate) -> None:
        """Retry the job."""
        self.retry(indexes, key, fate)

    # the machine
    @precondition(lambda self: self.outside.enqueues)
    @rule(fate=fates)
    def refill(self, fate: Fate) -> None:
        """An asynchronous EnqueueTasks comes."""
        self.enqueue_later(fate)

    @precondition(lambda self: any(e.step != "wait" for e in self.all_executions))
    @rule(which=picks, pick=picks, fate=fates)
    def step(self, which: int, pick: int, fate: Fate) -> None:
        """Take the step that an execution is at; that of a dead one was invoked before it died."""
        able = [e for e in self.all_executions if e.step != "wait"]
        self.begin(self.executions.call(able[-1 - which % len(able)], pick), fate)

    @precondition(lambda self: any(e.step != "wait" for e in self.all_executions[-1:]))
    @rule(steps=st.integers(1, 10), fate=fates)
    def go_on(self, steps: int, fate: Fate) -> None:
        """Take several steps of the newest execution, the last one under a fate."""
        execution = self.all_executions[-1]
        for number in range(steps):
            if execution.status == "RUNNING" and execution.step != "wait":
                call = self.executions.call(execution)
                self.begin(call, fate if number == steps - 1 else LIVE)

    @precondition(lambda self: self.outside.step_functions.ended)
    @rule(which=picks, again=st.booleans(), fate=fates)
    def hear_of_an_end(self, which: int, again: bool, fate: Fate) -> None:
        """EventBridge tells of an execution's end, late or twice perhaps."""
        ended = self.outside.step_functions.ended
        one = ended[which % len(ended)]
        if not again:
            ended.remove(one)
        self.call(
            "sweep",
            lambda: execution_ended(self.outside.deps, one.job_id, one.gen, one.exec, one.status),
            fate,
        )

    # workers
    @precondition(lambda self: self.outside.sqs.envelopes)
    @rule(
        which=picks,
        again=st.booleans(),
        worker=workers,
        results=st.lists(outcomes, max_size=3),
        fate=fates,
    )
    def deliver(
        self, which: int, again: bool, worker: str, results: list[Outcome], fate: Fate
    ) -> None:
        """Deliver any message that was ever sent, a second time perhaps, and run some of its tasks."""
        envelopes = self.outside.sqs.envelopes
        envelope = envelopes[-1 - which % len(envelopes)]
        envelope.receives += again
        self.begin(self.workers.receive(worker, envelope), fate)
        self.run(0, results)

    @precondition(lambda self: self.outside.sqs.waiting)
    @rule(which=picks, outcome=outcomes, jitter=jitters, fate=fates)
    def work(self, which: int, outcome: Outcome, jitter: float, fate: Fate) -> None:
        """Receive, run, report and delete at one go."""
        self.outside.jitter = jitter
        waiting = self.outside.sqs.waiting
        self.workers.work(waiting[which % len(waiting)], outcome, fate, self.begin)

    @precondition(lambda self: any(held.todo for held in self.workers.held))
    @rule(which=picks, results=outcome_lists)
    def run(self, which: int, results: list[Outcome]) -> None:
        """Run some tasks of a message that is held."""
        busy = [held for held in self.workers.held if held.todo]
        if busy:
            held = busy[-1 - which % len(busy)]
            for outcome in results[: len(held.todo)]:
                self.workers.run(held, outcome)

    @precondition(lambda self: any(held.unanswered() for held in self.workers.held))
    @rule(most=st.integers(1, 4), worker=workers, jitter=jitters, delete=st.booleans(), fate=fates)
    def report(self, most: int, worker: str, jitter: float, delete: bool, fate: Fate) -> None:
        """Report what is not answered, of any messages, in a batch of any size; delete what is done."""
        self.outside.jitter = jitter
        members = [held for held in self.workers.held if held.unanswered()]
        reports = [report for held in members for report in held.unanswered()][:most]
        self.begin(self.workers.report(worker, reports, members), fate)
        for held in members if delete else []:
            self.workers.settle(held)

    @precondition(lambda self: self.workers.reports)
    @rule(which=st.lists(picks, min_size=1, max_size=3), jitter=jitters, fate=fates)
    def report_late(self, which: list[int], jitter: float, fate: Fate) -> None:
        """Repeat any reports that were ever made."""
        self.outside.jitter = jitter
        known = self.workers.reports
        reports = [known[-1 - number % len(known)] for number in which]
        self.begin(self.workers.report("w-late", reports, []), fate)

    @precondition(lambda self: any(held.todo for held in self.workers.held))
    @rule(which=picks, interrupted=st.booleans(), split=st.booleans(), fate=fates)
    def give_back(self, which: int, interrupted: bool, split: bool, fate: Fate) -> None:
        """Give back what a message has left, perhaps while a task of it runs."""
        busy = [held for held in self.workers.held if held.todo]
        held = busy[which % len(busy)]
        self.begin(self.workers.give_back(held, interrupted=interrupted, split=split), fate)

    @precondition(lambda self: self.workers.given)
    @rule(which=picks, fate=fates)
    def give_back_again(self, which: int, fate: Fate) -> None:
        """Repeat a give-back after a lost reply."""
        given = self.workers.given
        item = given[-1 - which % len(given)]
        self.begin(self.workers.repeat_give_back(item, "w-late"), fate)

    @precondition(lambda self: self.workers.held)
    @rule(which=picks, dies=st.booleans())
    def leave(self, which: int, dies: bool) -> None:
        """Delete a message that is done with, or lose the worker that holds it."""
        held = self.workers.held[-1 - which % len(self.workers.held)]
        if not self.workers.settle(held) and dies:
            self.workers.held.remove(held)

    @precondition(lambda self: self.job_id is not None)
    @rule(worker=workers, nodes=st.lists(st.integers(0, 2), max_size=2), fate=fates)
    def beat(self, worker: str, nodes: list[int], fate: Fate) -> None:
        """Say what runs, and push the nodes that were reported to."""
        self.begin(self.workers.beat(worker, nodes), fate)

    @precondition(lambda self: self.outside.sqs.dead)
    @rule(which=picks, fate=fates)
    def settle_dead_letter(self, which: int, fate: Fate) -> None:
        """The dead-letter queue's Lambda takes a letter; one that fails comes again."""
        dead = self.outside.sqs.dead
        envelope = dead[which % len(dead)]
        self.watch.dead_lettered(envelope)
        body = envelope.body.model_dump_json(exclude_none=True)

        def then(_: object) -> None:
            envelope.deleted = True

        deps, message_id = self.outside.deps, envelope.message_id
        call = Call("dead letter", lambda: dead_letter(deps, message_id, body), then)
        self.begin(call, fate)

    # what happens more rarely
    @precondition(lambda self: self.job_id is not None)
    @rule(
        what=st.sampled_from(
            ["cancel", "kill", "give up", "token", "queue", "dead", "old", "repeat", "enqueue"]
        ),
        pick=picks,
        fate=fates,
    )
    def disturb(self, what: str, pick: int, fate: Fate) -> None:
        """Cancel the job, kill an execution, lose a token, let a send fail, dead-letter or lose messages."""
        sqs, running = self.outside.sqs, [e for e in self.all_executions if e.status == "RUNNING"]
        match what:
            case "cancel":
                self.cancel(fate)
            case "repeat":
                (self.submit(fate) if pick % 2 else self.retry(None, f"k{pick % 3}", fate))
            case "enqueue":
                self.enqueue_later(fate)
            case "kill" if running:
                status = ("ABORTED", "TIMED_OUT", "FAILED")[pick % 3]
                self.outside.step_functions.end(running[-1], status)
            case "give up" if running and running[-1].errors:
                running[-1].errors = 0
                self.executions.give_up(running[-1])
            case "token" if running and running[-1].step == "wait":
                running[-1].step = "monitor"
            case "queue":
                sqs.failing = [pick % 3]
            case "dead" if sqs.waiting:
                sqs.waiting[pick % len(sqs.waiting)].dead = True
            case "dead" if sqs.dead:
                sqs.redrive(sqs.dead[pick % len(sqs.dead)])
            case "old" if pick == 0:
                self.outlive_the_queue()

    # time
    @rule(seconds=st.sampled_from([0.3, 2, 31, 61, 130, 301, 1_000]))
    def let_time_pass(self, seconds: float) -> None:
        """Let time pass."""
        self.wait(seconds)

    @precondition(lambda self: self.job_id is not None)
    @rule(minutes=st.integers(0, 3), fate=fates)
    def sweep(self, minutes: int, fate: Fate) -> None:
        """The sweep comes, some minutes later."""
        if minutes:
            self.wait(61 * minutes)
        self.call("sweep", lambda: sweep(self.outside.deps, lambda: 40.0), fate)

    @precondition(lambda self: self.stalled)
    @rule(which=picks, fate=fates)
    def resume(self, which: int, fate: Fate) -> None:
        """Let a stalled call go on, to its end or to its next fate."""
        entry = self.stalled[which % len(self.stalled)]
        entry[0].resume(Fate(fate.kind, fate.gates + 1) if fate.kind == "stall" else fate)
        if entry[0].ended:
            self.stalled.remove(entry)

    @invariant()
    def holds(self) -> None:
        self.watch.check()

    def teardown(self) -> None:
        """End the example: all goes well from here on, and the job must end, and end right."""
        with self.ending():
            pass
