"""The stages of a job in which calls overtake each other."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from orchestrator.model.states import Outcome
from orchestrator.service.sweep import sweep
from tests.property.protocol.actions import cancelled, hear, retry
from tests.property.protocol.calls import LIVE
from tests.property.protocol.stage import Stage

Setup = Callable[[Stage], None]


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
                hear(machine, machine.job_id or "")

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
    retry(machine, machine.job_id or "")


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
    "cancelled": _then(_working, cancelled),
    "closing after a cancel": _then(_working, cancelled, _steps(3)),
    "ending": _complete,
    "closing": _then(_complete, _steps(2)),
    "almost ended": _then(_complete, _steps(3)),
    "ended": _ended,
    "reopened": _reopened,
    "reopening": _then(_reopened, _steps(1)),
    "reopened and cancelled": _then(_reopened, _steps(2), cancelled),
}
