"""From here on all goes well: workers live, messages come, the sweep runs. The job must end, and end right."""

from __future__ import annotations

from datetime import timedelta

from orchestrator.errors import OrchestratorError
from orchestrator.model.states import Outcome
from orchestrator.service.dead_letters import dead_letter
from orchestrator.service.enqueue import enqueue_tasks
from orchestrator.service.sweep import sweep
from tests.property.protocol.calls import LIVE
from tests.property.protocol.executions import ERRORS_MAX, Executions
from tests.property.protocol.invariants import Watch
from tests.property.protocol.outside import Execution, Outside
from tests.property.protocol.workers import Workers

ROUNDS = 80
"""Sweeps until a job must have ended: MonitorJob's time-out is 60 of them."""
_RETENTION = timedelta(days=12).total_seconds()
_STEPS = 200


def heal(
    outside: Outside,
    executions: Executions,
    workers: Workers,
    watch: Watch,
    rounds: int = ROUNDS,
) -> None:
    """Let the job end within some `rounds`, check how, and let the sweep empty the outbox."""
    outside.sqs.failing = []
    workers.held.clear()
    for number in range(2 * ROUNDS if outside.outlived else rounds):
        job = watch.job
        if job is None or job.state.final:
            break
        _round(outside, executions, workers, watch)
        watch.check()
        if number == ROUNDS and outside.outlived:
            outside.wait(_RETENTION)  # What the queue has forgotten is sent again a day before.
    job = watch.job
    assert job is None or job.state.final, f"the job hangs: {job}"
    for _ in range(ROUNDS):
        if not outside.checked.tables.outbox:
            break
        outside.wait(61)
        sweep(outside.deps, lambda: 40.0)
    assert not outside.checked.tables.outbox
    watch.check()
    if job is not None:
        watch.check_results(job)


def _round(outside: Outside, executions: Executions, workers: Workers, watch: Watch) -> None:
    for execution in list(outside.step_functions.executions.values()):
        _run(executions, execution)
    asked, outside.enqueues = outside.enqueues, []
    for job_id, gen in asked:
        _enqueue(outside, job_id, gen)
    for envelope in outside.sqs.waiting:
        workers.work(envelope, Outcome.SUCCEEDED, LIVE)
    for letter in outside.sqs.dead:
        watch.dead_lettered(letter)
        dead_letter(outside.deps, letter.message_id, letter.body.model_dump_json(exclude_none=True))
        letter.deleted = True
    outside.wait(61)
    sweep(outside.deps, lambda: 40.0)


def _run(executions: Executions, execution: Execution) -> None:
    """Let an execution go on until it waits or ends; a step that keeps failing is given up."""
    for _ in range(_STEPS):
        call = executions.call(execution) if execution.status == "RUNNING" else None
        if call is None:
            return
        call.start(LIVE)
        if execution.errors > ERRORS_MAX:
            execution.errors = 0
            executions.give_up(execution)
    raise AssertionError(f"{execution} goes round in circles")


def _enqueue(outside: Outside, job_id: str, gen: int) -> None:
    try:
        enqueue_tasks(outside.deps, job_id, gen, seconds_left=lambda: 60.0, in_machine=False)
    except OrchestratorError as error:
        outside.journal.event("enqueue.refused", error=str(error))
