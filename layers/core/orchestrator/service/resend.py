"""Send again what was never settled: its message may have outlived the queue's retention."""

from __future__ import annotations

from orchestrator.model.ids import NODE_SIZE, leaf_range, leaves_of_node, nodes_of, offset_of
from orchestrator.model.items import Job
from orchestrator.model.progress import Root
from orchestrator.policy import TASKS_PER_MESSAGE_MAX
from orchestrator.service.messages import send_tasks
from orchestrator.service.ports import Deps, JobGuard
from orchestrator.service.selection import attempts_of


def resend_unsettled(deps: Deps, job: Job, root: Root) -> None:
    """Send every task that was sent (by the cursor) and has not ended; duplicates are harmless."""
    mine = deps.store.update_job(
        job.job_id, JobGuard(gen=job.gen, states=frozenset({job.state})), resent_at=deps.now()
    )
    if mine is None:
        return
    total = job.total or 0
    for node in nodes_of(total):
        size = min(NODE_SIZE, total - node * NODE_SIZE)
        if root.node_tally(node).finals < size:
            _resend_node(deps, job, node)


def _resend_node(deps: Deps, job: Job, node: int) -> None:
    total = job.total or 0
    leaves = deps.store.get_node_leaves(job.job_id, node)
    open_ones = [
        index
        for number in leaves_of_node(node, total)
        for index in leaf_range(number, total)
        if number not in leaves or offset_of(index) not in leaves[number].finals
    ]
    rows = deps.store.get_tasks(job.job_id, open_ones)
    attempts = dict(attempts_of(deps, job, open_ones))
    attempts.update((index, row.attempt) for index, row in rows.items() if row.gen == job.gen)
    send_tasks(deps, job, attempts, TASKS_PER_MESSAGE_MAX)
    deps.journal.event(
        "tasks.resent", job_id=job.job_id, tenant=job.tenant, node=node, count=len(attempts)
    )
