"""Dead letters: what SQS gave up on ends FAILED in the table; what cannot be read is kept in S3."""

from __future__ import annotations

from pydantic import ValidationError

from orchestrator.model.wire import TaskMessage
from orchestrator.service.ports import Deps
from orchestrator.service.settle import Settling, settle
from orchestrator.service.unfinished import dead

WORKER = "dead-letters"


def dead_letter(deps: Deps, message_id: str, body: str) -> None:
    """Settle one dead letter. Repeating it is harmless, so is a redrive by an operator."""
    deps.journal.count("DeadLetters")
    try:
        message = TaskMessage.model_validate_json(body)
    except ValidationError:
        deps.results.put(
            f"dead-letters/{message_id}", body.encode(errors="backslashreplace"), "text/plain"
        )
        deps.journal.event("dead_letter.unreadable", message_id=message_id, bytes=len(body))
        deps.journal.count("DeadLettersUnreadable")
        return
    given = deps.store.get_given([message_id]).get(message_id, frozenset())
    own = [index for index in message.tasks() if index not in given]
    job = deps.store.get_job(message.job)
    deps.journal.event(
        "dead_letter.settled",
        job_id=message.job,
        tenant=job.tenant if job is not None else None,
        message_id=message_id,
        attempt=message.attempt,
        tasks=own,
    )
    if job is None or job.gen != message.gen:
        return
    reports = [dead(deps, job, index, message.attempt) for index in own]
    settle(deps, job, WORKER, [Settling(report) for report in reports])
