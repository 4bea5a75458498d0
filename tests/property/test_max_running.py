"""`max_running` is a true cap: whatever dies, repeats or comes twice, no more handlers run at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from orchestrator.model.states import JobState, Outcome
from orchestrator.model.wire import ClaimIn, ClaimMessage, CompleteIn, Run, TaskMessage, Unstarted
from orchestrator.service.claim import claim
from orchestrator.service.control import STOPPED_AFTER, cancel_job
from orchestrator.service.report import complete
from orchestrator.service.sweep import sweep
from tests.fakes.cluster import ALICE, Cluster, report_of

WRITES_MAX = 14
"""A call dies at one of so many writes, or at none."""


class Died(BaseException):
    """The function died."""


@dataclass(eq=False)
class Envelope:
    """A message as SQS keeps it; `todo` are the tasks that a worker has in its hands."""

    message_id: str
    body: TaskMessage
    receives: int = 0
    todo: list[int] = field(default_factory=list)
    deleted: bool = False


picks = st.integers(0, 1_000)
crashes = st.none() | st.tuples(st.integers(0, WRITES_MAX), st.booleans())
outcomes = st.sampled_from([Outcome.SUCCEEDED, Outcome.SUCCEEDED, Outcome.FAILED])


class CappedJob(RuleBasedStateMachine):
    """One job with a cap; no lease is lost, everything else goes wrong."""

    @initialize(
        cap=st.integers(1, 4),
        total=st.integers(1, 12),
        per_message=st.sampled_from([None, 1, 3]),
    )
    def submit(self, cap: int, total: int, per_message: int | None) -> None:
        """Submit, and run the machine up to its wait."""
        self.cap, self.envelopes, self.runs = cap, list[Envelope](), 0
        self.cluster = Cluster()
        self.cluster.submit(
            tasks={"count": total},
            max_running=cap,
            tasks_per_message=per_message,
            retry={"max_attempts": 3, "max_worker_losses": 20, "initial_seconds": 1},
        )
        self.cluster.begin()

    def call(self, act: Callable[[], object], crash: tuple[int, bool] | None) -> bool:
        """Let a call of the control plane die at a write; tell whether it came to its end."""
        store = self.cluster.world.store
        left = [crash[0] if crash else 10_000]

        def hook(_: str) -> None:
            left[0] -= 1
            if left[0] < 0:
                raise Died

        if crash is not None and crash[1]:
            store.after_write = hook
        else:
            store.before_write = hook
        try:
            act()
        except Died:
            return False
        finally:
            store.before_write = store.after_write = lambda _: None
        return True

    def until_done(self, act: Callable[[], object], crash: tuple[int, bool] | None) -> None:
        """Repeat a worker's call until it is answered."""
        if not self.call(act, crash):
            self.call(act, None)

    @property
    def waiting(self) -> list[Envelope]:
        """Return what SQS may deliver."""
        for message in self.cluster.messages():
            self.envelopes.append(Envelope(f"m{len(self.envelopes)}", message))
        return [each for each in self.envelopes if not each.deleted and not each.todo]

    @property
    def in_hand(self) -> list[Envelope]:
        """Return what workers run."""
        return [each for each in self.envelopes if each.todo]

    @invariant()
    def never_more_than_the_cap(self) -> None:
        """Check the cap, a message's tasks counted as if they ran together: containers do."""
        if hasattr(self, "envelopes"):
            assert sum(len(each.todo) for each in self.in_hand) <= self.cap

    @precondition(lambda self: self.waiting)
    @rule(pick=picks, crash=crashes)
    def receive(self, pick: int, crash: tuple[int, bool] | None) -> None:
        """Claim a message; a worker whose claim is not answered leaves it to the queue."""
        envelope = self.waiting[pick % len(self.waiting)]
        envelope.receives += 1
        fields = envelope.body.model_dump(include={*CLAIMED})
        asked = ClaimMessage(
            message_id=envelope.message_id,
            receive_count=envelope.receives,
            begins=envelope.receives > 1,
            **fields,
        )
        body = ClaimIn(worker_id="w-1", messages=[asked])
        answers: list[object] = []
        deps = self.cluster.world.deps
        if not self.call(
            lambda: answers.append(claim(deps, body).messages[asked.message_id]), crash
        ):
            return
        if isinstance(answers[0], Run):
            envelope.todo = list(answers[0].run)
        else:
            envelope.deleted = True

    @precondition(lambda self: self.in_hand)
    @rule(pick=picks, outcome=outcomes, crash=crashes, lost_reply=st.booleans())
    def end_a_handler(
        self, pick: int, outcome: Outcome, crash: tuple[int, bool] | None, lost_reply: bool
    ) -> None:
        """End a handler, and report it until that is answered, twice where the answer was lost."""
        envelope = self.in_hand[pick % len(self.in_hand)]
        self.runs += 1
        index = envelope.todo.pop(0)
        report = report_of(envelope.body, index, outcome, run=f"run{self.runs:05d}")
        body = CompleteIn(worker_id="w-1", reports=[report])
        for _ in range(2 if lost_reply else 1):
            self.until_done(lambda: complete(self.cluster.world.deps, body), crash)
        envelope.deleted = not envelope.todo

    @precondition(lambda self: self.in_hand)
    @rule(pick=picks, crash=crashes, interrupted=st.booleans(), lost_reply=st.booleans())
    def give_back(
        self, pick: int, crash: tuple[int, bool] | None, interrupted: bool, lost_reply: bool
    ) -> None:
        """Stop a handler, and give its message's tasks back."""
        envelope = self.in_hand[pick % len(self.in_hand)]
        left, envelope.todo = envelope.todo, []
        item = Unstarted(
            message_id=envelope.message_id,
            receive_count=envelope.receives,
            indexes=left,
            interrupted=left[:1] if interrupted else [],
            interruptions=envelope.body.interruptions,
            split=not interrupted,
            **envelope.body.model_dump(include={"job", "gen", "attempt"}),
        )
        body = CompleteIn(worker_id="w-1", unstarted=[item])
        for _ in range(2 if lost_reply else 1):
            self.until_done(lambda: complete(self.cluster.world.deps, body), crash)
        envelope.deleted = True

    @precondition(lambda self: self.in_hand)
    @rule(pick=picks)
    def lose_a_worker(self, pick: int) -> None:
        """Let a worker die with its handler; SQS delivers the message again."""
        self.in_hand[pick % len(self.in_hand)].todo = []

    @rule(crash=crashes)
    def refill(self, crash: tuple[int, bool] | None) -> None:
        """Run EnqueueTasks once more than needed."""
        if not self.cluster.job.state.final:
            self.call(self.cluster.enqueue, crash)

    @rule(crash=crashes)
    def sweep_later(self, crash: tuple[int, bool] | None) -> None:
        """Let a minute and more pass, then sweep; handlers of a stopped job have ended by then."""
        self.wait(130)
        self.call(lambda: sweep(self.cluster.world.deps, lambda: 40.0), crash)
        for _ in self.cluster.world.enqueues:
            self.refill(None)
        self.cluster.world.enqueues.clear()

    @precondition(lambda self: not self.in_hand)
    @rule()
    def nobody_works_for_days(self) -> None:
        """Let the queue's retention come near: what is not settled is sent again."""
        store = self.cluster.world.store
        self.sweep_later(None)
        for _ in range(0 if store.tables.outbox else 2):
            self.wait(6 * 86_400)
            # Minute by minute there is nothing in the outbox: thousands of looks would tell no more.
            store.sweep_minute = int(self.cluster.world.clock.timestamp() // 60) - 2
            sweep(self.cluster.world.deps, lambda: 40.0)

    @precondition(lambda self: self.cluster.job.state is JobState.PROCESSING)
    @rule(seconds=st.sampled_from([0, 20, 40]))
    def cancel_and_retry(self, seconds: int) -> None:
        """Stop the job, let it end while handlers may still run, and reopen it at once."""
        cancel_job(self.cluster.world.deps, ALICE, self.cluster.job_id)
        self.wait(seconds)
        if self.cluster.end() == JobState.CANCELLED:
            self.cluster = self.cluster.retry()
            self.cluster.begin()

    def wait(self, seconds: float) -> None:
        """Move the clock; a handler ends so long after its generation was stopped."""
        self.cluster.world.wait(seconds)
        for envelope in self.in_hand:
            if envelope.body.gen < self.cluster.gen and seconds >= STOPPED_AFTER.total_seconds():
                envelope.todo, envelope.deleted = [], True

    def teardown(self) -> None:
        """Let everything go well from here: each task comes to its end."""
        if not hasattr(self, "envelopes"):
            return
        for _ in range(400):
            if self.cluster.job.state.final or self.cluster.woken:
                return
            while self.in_hand:
                self.end_a_handler(0, Outcome.SUCCEEDED, None, lost_reply=False)
                self.never_more_than_the_cap()
            if self.waiting:
                self.receive(0, None)
            else:
                self.sweep_later(None)
        raise AssertionError("the job never came to its end")


CLAIMED = ("job", "gen", "attempt", "start", "stop", "indexes", "hold")
"""Fields of a message that its claim repeats."""


def test_no_more_handlers_than_the_cap_run_at_once() -> None:
    run_state_machine_as_test(CappedJob, settings=settings(max_examples=50, stateful_step_count=30))
