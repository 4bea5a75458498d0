"""Give-back: tasks that a worker will not start go back to the queue. Send, THEN note, then answer."""

from __future__ import annotations

from collections.abc import Iterator

from orchestrator.errors import SendFailed
from orchestrator.model.items import Job
from orchestrator.model.states import JobState, Outcome
from orchestrator.model.wire import GiveBackStatus, Unstarted
from orchestrator.policy import Policy
from orchestrator.service.commit import expiry
from orchestrator.service.holds import drop_holds
from orchestrator.service.messages import Again, send_again
from orchestrator.service.ports import Deps
from orchestrator.service.settle import Settling, settle
from orchestrator.service.unfinished import interrupted


def start_key(message_id: str, receive_count: int) -> str:
    """Return what names one receive of one message: a claim repeated after a lost reply counts once."""
    return f"{message_id}#{receive_count}"


def give_back(deps: Deps, item: Unstarted, worker_id: str) -> GiveBackStatus:
    """Send the tasks as fresh messages and note that the old message no longer owns them.

    Those that had begun travel alone, with the number of their interruptions; at its limit they end
    FAILED instead. A start that the claim counted is undone. A crash before the note makes duplicates,
    which are harmless; the other order would lose tasks.
    """
    job = deps.store.get_job(item.job)
    if job is None or job.gen != item.gen or job.state.final or job.state is JobState.STOPPING:
        return "given"  # Nobody will run them: the job's end closes their leaf.
    begun = sorted(set(item.interrupted) & set(item.tasks()))
    times = item.interruptions + 1
    too_often = times >= Policy.load(job.policy).retry.limit_of(Outcome.INTERRUPTED)
    if begun and too_often:
        reports = [interrupted(deps, job, index, item.attempt, times) for index in begun]
        settle(deps, job, worker_id, [Settling(report) for report in reports])
    if item.receive_count > 1:  # A first delivery is not claimed, so nothing was counted.
        key = start_key(item.message_id, item.receive_count)
        for index in item.tasks():
            deps.store.refund_start(item.job, index, item.gen, item.attempt, key)
    if job.max_running is not None:
        drop_holds(deps, item, item.tasks())
    try:
        send_again(deps, job, _messages(item, [] if too_often else begun, set(begun)))
    except SendFailed as error:
        deps.journal.event("give_back.failed", job_id=item.job, error=str(error))
        return "failed"
    deps.store.add_given(item.message_id, frozenset(item.tasks()), expiry(deps))
    _journal(deps, job, item, begun if too_often else [])
    return "given"


def _messages(item: Unstarted, again: list[int], begun: set[int]) -> Iterator[Again]:
    """Yield those that go once more: what had begun one by one, the rest as it came or one by one."""
    for index in again:
        yield Again(indexes=[index], attempt=item.attempt, interruptions=item.interruptions + 1)
    rest = [index for index in item.tasks() if index not in begun]
    for group in [[index] for index in rest] if item.split else filter(None, [rest]):
        yield Again(indexes=group, attempt=item.attempt, interruptions=item.interruptions)


def _journal(deps: Deps, job: Job, item: Unstarted, ended: list[int]) -> None:
    deps.journal.event(
        "tasks.given_back",
        job_id=item.job,
        tenant=job.tenant,
        attempt=item.attempt,
        message_id=item.message_id,
        tasks=item.tasks(),
        interrupted=item.interrupted,
        interruptions=item.interruptions,
        ended=ended,
    )
