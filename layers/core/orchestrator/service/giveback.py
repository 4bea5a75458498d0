"""Give-back: tasks that a worker will not start go back to the queue. Send, THEN note, then answer."""

from __future__ import annotations

from orchestrator.errors import SendFailed
from orchestrator.model.states import JobState
from orchestrator.model.wire import GiveBackStatus, Unstarted
from orchestrator.service.commit import expiry
from orchestrator.service.messages import send_again
from orchestrator.service.ports import Deps


def start_key(message_id: str, receive_count: int) -> str:
    """Return what names one receive of one message: a claim repeated after a lost reply counts once."""
    return f"{message_id}#{receive_count}"


def give_back(deps: Deps, item: Unstarted) -> GiveBackStatus:
    """Send the tasks as fresh messages and note that the old message no longer owns them.

    A crash before the note makes duplicates, which are harmless; the other order would lose tasks.
    """
    job = deps.store.get_job(item.job)
    if job is None or job.gen != item.gen or job.state.final or job.state is JobState.STOPPING:
        return "given"  # Nobody will run them: the job's end closes their leaf.
    key = start_key(item.message_id, item.receive_count)
    for index in item.interrupted:
        deps.store.refund_start(item.job, index, item.gen, item.attempt, key)
    tasks = item.tasks()
    groups = [[index] for index in tasks] if item.split else [tasks]
    try:
        send_again(deps, job, [(group, item.attempt, 0) for group in groups])
    except SendFailed as error:
        deps.journal.event("give_back.failed", job_id=item.job, error=str(error))
        return "failed"
    deps.store.add_given(item.message_id, frozenset(tasks), expiry(deps))
    deps.journal.event(
        "tasks.given_back",
        job_id=item.job,
        tenant=job.tenant,
        attempt=item.attempt,
        message_id=item.message_id,
        tasks=tasks,
        interrupted=item.interrupted,
    )
    return "given"
