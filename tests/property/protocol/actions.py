"""The calls of which any may overtake any other."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from orchestrator.model.states import Outcome
from orchestrator.service.control import cancel_job, retry_job
from orchestrator.service.dead_letters import dead_letter
from orchestrator.service.enqueue import enqueue_tasks
from orchestrator.service.submit import submit_job
from orchestrator.service.sweep import execution_ended, sweep
from orchestrator.spec import RetryJobIn
from tests.fakes.cluster import ALICE
from tests.property.protocol.calls import Call
from tests.property.protocol.outside import Envelope
from tests.property.protocol.stage import Stage

Action = Callable[[Stage], Call | None]


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


def hear(machine: Stage, job_id: str) -> None:
    """The newest execution ended, and EventBridge tells of it."""
    newest = machine.all_executions[-1]
    machine.outside.step_functions.end(newest, "ABORTED")
    execution_ended(machine.outside.deps, job_id, newest.gen, newest.exec, "ABORTED")


def retry(machine: Stage, job_id: str, key: str | None = "k") -> None:
    """A person retries the job."""
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


def cancelled(machine: Stage) -> None:
    """A person cancels the job."""
    cancel_job(machine.outside.deps, ALICE, machine.job_id or "")


def _end(machine: Stage) -> Call | None:
    """All that is out is reported, and the machine runs to its end."""
    for _ in range(6):
        machine.work_off([Outcome.SUCCEEDED, Outcome.BAD_RESULT, Outcome.SUCCEEDED])
    machine.run_machine()
    return None


def _stop(machine: Stage) -> Call | None:
    """The job is cancelled, and the machine runs to its end, past the grace of the workers."""
    if machine.job_id is not None and not machine.is_final:
        cancelled(machine)
        machine.run_machine()
    return None


def _and_retry(before: Action) -> Action:
    """Return the action that ends the job in some way, retries it, and begins the next generation."""

    def action(machine: Stage) -> Call | None:
        before(machine)
        if machine.is_final and not machine.has_succeeded:
            retry(machine, machine.job_id or "", key=None)
            machine.run_machine()
        return None

    return action


def _retry_and_end(machine: Stage) -> Call | None:
    _and_retry(_end)(machine)
    return _end(machine)


WHOLE: Mapping[str, Action] = {
    "end": _end,
    "end and retry": _and_retry(_end),
    "retry and end": _retry_and_end,
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
    "execution ended": _plain("sweep", hear),
    "cancel": _plain("cancel", lambda m, job_id: cancel_job(m.outside.deps, ALICE, job_id)),
    "retry": _plain("retry", retry),
    "enqueue": _plain("enqueue", _enqueue),
    "submit": _plain("submit", _submit),
}


EVERY = {**ACTIONS, **WHOLE}
