"""Two calls at once: one is overtaken by the other at each of its requests, then goes on or dies."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from orchestrator.model.states import Outcome
from orchestrator.service.control import cancel_job, retry_job
from orchestrator.service.dead_letters import dead_letter
from orchestrator.service.enqueue import enqueue_tasks
from orchestrator.service.submit import submit_job
from orchestrator.service.sweep import execution_ended, sweep
from orchestrator.spec import RetryJobIn, SubmitJobIn
from tests.fakes.cluster import ALICE
from tests.property.protocol.calls import LIVE, Call, Fate, Kind
from tests.property.protocol.outside import Envelope
from tests.property.protocol.stage import Stage

Action = Callable[[Stage], Call | None]
Setup = Callable[[Stage], None]


def _report(worker: str) -> Action:
    """Return the action that reports what a worker has run."""

    def action(machine: Stage) -> Call | None:
        members = [h for h in machine.workers.held if h.worker == worker and h.unanswered()]
        reports = [report for held in members for report in held.unanswered()]
        return machine.workers.report(worker, reports, members) if reports else None

    return action


def _again(number: int) -> Action:
    """Return the action that delivers a message again, from the oldest (0) or the newest (-1) on."""

    def action(machine: Stage) -> Call | None:
        envelopes = machine.outside.sqs.envelopes
        if len(envelopes) < 2:
            return None
        envelopes[number].receives += 1
        return machine.workers.receive("w-4", envelopes[number])

    return action


def _step(number: int) -> Action:
    """Return the action that takes a step of the oldest (0) or the newest (-1) execution."""

    def action(machine: Stage) -> Call | None:
        executions = machine.all_executions
        return machine.executions.call(executions[number]) if executions else None

    return action


def _plain(name: str, function: Callable[[Stage, str], object]) -> Action:
    """Return an action whose answer nobody needs."""

    def action(machine: Stage) -> Call | None:
        job_id = machine.job_id
        return Call(name, lambda: function(machine, job_id)) if job_id is not None else None

    return action


def _give_back(machine: Stage) -> Call | None:
    held = next((each for each in machine.workers.held if each.todo), None)
    return machine.workers.give_back(held, interrupted=True, split=True) if held else None


def _dead_letter(machine: Stage) -> Call | None:
    waiting = machine.outside.sqs.waiting
    if not waiting:
        return None
    letter = waiting[0]
    letter.dead = True
    machine.watch.dead_lettered(letter)
    return Call("dead letter", lambda: _settle(machine, letter), lambda _: _delete(letter))


def _settle(machine: Stage, letter: Envelope) -> None:
    body = letter.body.model_dump_json(exclude_none=True)
    dead_letter(machine.outside.deps, letter.message_id, body)


def _delete(letter: Envelope) -> None:
    letter.deleted = True


def _hear(machine: Stage, job_id: str) -> None:
    """The newest execution ended, and EventBridge tells of it."""
    newest = machine.all_executions[-1]
    machine.outside.step_functions.end(newest, "ABORTED")
    execution_ended(machine.outside.deps, job_id, newest.gen, newest.exec, "ABORTED")


def _retry(machine: Stage, job_id: str, key: str | None = "k") -> None:
    machine.watch.retry_asked(key)
    deps = machine.outside.deps
    retry_job(deps, ALICE, job_id, RetryJobIn(), idempotency_key=key, request_id="r")


def _enqueue(machine: Stage, job_id: str) -> None:
    gen = machine.outside.checked.tables.jobs[job_id].gen
    deps = machine.outside.deps
    enqueue_tasks(deps, job_id, gen, seconds_left=lambda: 60.0, in_machine=False)


def _submit(machine: Stage, _: str) -> None:
    deps, submission = machine.outside.deps, machine.submission
    submit_job(deps, ALICE, submission, idempotency_key="once", request_id="r")


def _sweep_later(machine: Stage) -> Call | None:
    machine.wait(130)
    return Call("sweep", lambda: sweep(machine.outside.deps, lambda: 40.0))


def _end(machine: Stage) -> Call | None:
    """All that is out is reported, and the machine runs to its end."""
    for _ in range(6):
        machine.work_off([Outcome.SUCCEEDED, Outcome.BAD_RESULT, Outcome.SUCCEEDED])
    machine.run_machine()
    return None


def _stop(machine: Stage) -> Call | None:
    """The job is cancelled, and the machine runs to its end, past the grace of the workers."""
    if machine.job_id is not None and not machine.is_final:
        _cancelled(machine)
        machine.run_machine()
    return None


def _and_retry(before: Action) -> Action:
    """Return the action that ends the job in some way, retries it, and begins the next generation."""

    def action(machine: Stage) -> Call | None:
        before(machine)
        if machine.is_final and not machine.has_succeeded:
            _retry(machine, machine.job_id or "", key=None)
            machine.run_machine()
        return None

    return action


WHOLE: Mapping[str, Action] = {
    "end": _end,
    "end and retry": _and_retry(_end),
    "stop": _stop,
    "stop and retry": _and_retry(_stop),
}
"""What takes many calls, none of which is overtaken."""
ACTIONS: Mapping[str, Action] = {
    "report": _report("w-1"),
    "report of another": _report("w-2"),
    "oldest message again": _again(0),
    "newest message again": _again(-1),
    "give back": _give_back,
    "heartbeat": lambda machine: machine.workers.beat("w-1", [0, 1]),
    "dead letter": _dead_letter,
    "step": _step(-1),
    "step of the first": _step(0),
    "sweep": _plain("sweep", lambda m, _: sweep(m.outside.deps, lambda: 40.0)),
    "later sweep": _sweep_later,
    "execution ended": _plain("sweep", _hear),
    "cancel": _plain("cancel", lambda m, job_id: cancel_job(m.outside.deps, ALICE, job_id)),
    "retry": _plain("retry", _retry),
    "enqueue": _plain("enqueue", _enqueue),
    "submit": _plain("submit", _submit),
}


EVERY = {**ACTIONS, **WHOLE}


def _submitted(machine: Stage) -> None:
    machine.outside.wait(130)
    sweep(machine.outside.deps, lambda: 40.0)
    machine.submit(LIVE)


def _at(step: str) -> Setup:
    """Return the setup in which the first execution was killed, and both it and the next are at `step`."""

    def setup(machine: Stage) -> None:
        _submitted(machine)
        for number in (0, 1):
            execution = machine.all_executions[number]
            while execution.step != step and execution.step != "wait":
                machine.begin(machine.executions.call(execution), LIVE)
            if number == 0:
                _hear(machine, machine.job_id or "")

    return setup


def _working(machine: Stage) -> None:
    """Two workers have run the same tasks, one well and one badly; a third holds others."""
    if not machine.all_executions:
        _submitted(machine)
    machine.run_machine()
    first, *others = machine.outside.sqs.waiting
    for worker, outcome in (("w-1", Outcome.FAILED), ("w-2", machine.other_outcome)):
        held = machine.workers.hold(worker, first)
        while held.todo:
            machine.workers.run(held, outcome)
    for envelope in others[:1]:
        machine.workers.hold("w-3", envelope)
    machine.outside.wait(61)


def _reopened(machine: Stage) -> None:
    _ended(machine)
    _retry(machine, machine.job_id or "")


def _ended(machine: Stage) -> None:
    _submitted(machine)
    machine.run_machine()
    for _ in range(6):
        machine.work_off([Outcome.BAD_RESULT, Outcome.SUCCEEDED])
    machine.run_machine()
    machine.outside.wait(61)


def _then(*setups: Setup) -> Setup:
    def setup(machine: Stage) -> None:
        for each in setups:
            each(machine)

    return setup


def _cancelled(machine: Stage) -> None:
    cancel_job(machine.outside.deps, ALICE, machine.job_id or "")


def _steps(number: int) -> Setup:
    """Return the setup that takes some steps of the newest execution."""

    def setup(machine: Stage) -> None:
        for _ in range(number):
            call = machine.executions.call(machine.all_executions[-1])
            if call is not None:
                machine.begin(call, LIVE)

    return setup


def _complete(machine: Stage) -> None:
    """All has been run, and the machine woken, but nothing is closed yet."""
    _submitted(machine)
    machine.run_machine()
    for _ in range(6):
        machine.work_off([Outcome.BAD_RESULT, Outcome.SUCCEEDED])
    machine.outside.wait(61)


SETUPS: Mapping[str, Setup] = {
    "submitted": _submitted,
    "creating": _at("create"),
    "enqueuing": _at("enqueue"),
    "monitoring": _at("monitor"),
    "working": _working,
    "working again": _then(_reopened, _working),
    "cancelled": _then(_working, _cancelled),
    "closing after a cancel": _then(_working, _cancelled, _steps(3)),
    "ending": _complete,
    "closing": _then(_complete, _steps(2)),
    "almost ended": _then(_complete, _steps(3)),
    "ended": _ended,
    "reopened": _reopened,
    "reopening": _then(_reopened, _steps(1)),
    "reopened and cancelled": _then(_reopened, _steps(2), _cancelled),
}


@dataclass(frozen=True)
class Pair:
    """At its request number `gate`, `first` is overtaken by `second`; then it goes on or dies."""

    first: str
    gate: int
    second: str
    end: Kind
    other: Outcome
    """How the second of two runs of the same tasks went; the first one failed."""
    seconds: float
    """The first back-off: 2 s is sent at once, 3,000 s waits for the sweep."""
    size: int
    """Tasks in a message."""


def _prepared(setup: str, other: Outcome, seconds: float, size: int) -> Stage:
    machine = Stage()
    machine.other_outcome = other
    machine.submission = SubmitJobIn.model_validate(
        {
            "name": "a job",
            "handler": "echo",
            "tasks": {"count": 8},
            "tasks_per_message": size,
            "max_running": 4,
            "retry": {"max_attempts": 2, "initial_seconds": seconds, "max_seconds": 3_000},
        }
    )
    SETUPS[setup](machine)
    return machine


def _requests(setup: str, name: str) -> int:
    """Return how many requests a call makes when nothing comes between."""
    machine = _prepared(setup, Outcome.SUCCEEDED, 2.0, 3)
    try:
        call = ACTIONS[name](machine)
        if call is None:
            return 0
        call.start(LIVE)
        return call.passed
    finally:
        machine.patch.undo()


def pairs_of(setup: str) -> Iterator[Pair]:
    """Yield every pair of calls in a stage of the job, with each request of the first."""
    for first in ACTIONS:
        for gate in range(_requests(setup, first)):
            for second in (*WHOLE, *ACTIONS):
                yield Pair(first, gate, second, "live", Outcome.SUCCEEDED, 2.0, 3)
                yield Pair(first, gate, second, "live", Outcome.FAILED, 3_000.0, 1)
                yield Pair(first, gate, second, "die", Outcome.FAILED, 2.0, 3)


CORE: Mapping[str, Sequence[tuple[str, str]]] = {
    "submitted": [("step", "stop"), ("submit", "submit")],
    "creating": [("step of the first", "stop")],
    "enqueuing": [("step of the first", "step"), ("step", "later sweep"), ("step", "stop")],
    "monitoring": [("step of the first", "step"), ("step", "cancel")],
    "working": [
        ("report", "report of another"),
        ("report", "stop"),
        ("report", "stop and retry"),
        ("report", "end and retry"),
        ("oldest message again", "report of another"),
        ("give back", "dead letter"),
        ("dead letter", "give back"),
        ("enqueue", "enqueue"),
        ("enqueue", "stop and retry"),
        ("cancel", "sweep"),
    ],
    "working again": [
        ("report", "report of another"),
        ("report", "stop and retry"),
        ("heartbeat", "end and retry"),
        ("enqueue", "stop and retry"),
    ],
    "cancelled": [("step", "stop and retry")],
    "closing after a cancel": [("step", "report"), ("step", "stop and retry")],
    "ending": [("sweep", "end and retry")],
    "closing": [("step", "end and retry"), ("step", "execution ended")],
    "almost ended": [("step", "end and retry"), ("step", "cancel")],
    "ended": [("retry", "retry"), ("retry", "end and retry")],
    "reopened": [("step", "stop and retry"), ("step", "heartbeat")],
    "reopening": [("step", "stop"), ("step", "stop and retry"), ("step", "step of the first")],
}
"""The pairs that the protocol's rules are about, by setup."""


def core_of(setup: str) -> Iterator[Pair]:
    """Yield the pairs of a setup that matter most."""
    core = CORE.get(setup, ())
    return (pair for pair in pairs_of(setup) if (pair.first, pair.second) in core)


def play(setup: str, pair: Pair) -> None:
    """Play a pair, and heal what is left."""
    acts = [Act(pair.first, Fate("stall", pair.gate)), Act(pair.second, LIVE)]
    play_all(setup, acts, [Fate(pair.end)], pair.other, pair.seconds, pair.size)


@dataclass(frozen=True)
class Act:
    """A call and its fate."""

    name: str
    fate: Fate


def play_all(
    setup: str,
    acts: Sequence[Act],
    ends: Sequence[Fate],
    other: Outcome,
    seconds: float,
    size: int,
) -> None:
    """Begin calls one after the other, then let those that stall go on to their ends; heal what is left."""
    machine = _prepared(setup, other, seconds, size)
    with machine.ending():
        begun = [machine.attempt(EVERY[act.name](machine), act.fate) for act in acts]
        machine.watch.check()
        machine.stalled.clear()
        stalled = [call for call in begun if call is not None and not call.ended]
        for call, end in zip(reversed(stalled), [*ends, *[LIVE] * len(stalled)], strict=False):
            call.resume(end)
            machine.watch.check()
