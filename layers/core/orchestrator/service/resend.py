"""Send again what was never settled: its message may have outlived the queue's retention."""

from __future__ import annotations

from orchestrator.model.ids import NODE_SIZE, leaf_range, leaves_of_node, nodes_of, offset_of
from orchestrator.model.items import Job
from orchestrator.model.progress import Root
from orchestrator.policy import WINDOW_MAX_TASKS, Policy, tasks_per_message
from orchestrator.service.messages import send_tasks
from orchestrator.service.ports import Deps, JobGuard
from orchestrator.service.selection import attempts_of, selection_of


def resend_unsettled(deps: Deps, job: Job, root: Root) -> None:
    """Send every task that was sent (by the cursor) and has not ended; duplicates are harmless."""
    mine = deps.store.update_job(
        job.job_id, JobGuard(gen=job.gen, states=frozenset({job.state})), resent_at=deps.now()
    )
    if mine is None:
        return
    total = job.total or 0
    sent = selection_of(deps, job).slice(max(job.cursor - 1, 0), job.cursor)
    for node in nodes_of(total) if sent else ():
        size = min(NODE_SIZE, total - node * NODE_SIZE)
        if root.node_tally(node).finals < size:
            _resend_node(deps, job, node, sent[-1])


def _resend_node(deps: Deps, job: Job, node: int, last: int) -> None:
    """Send what a node has open, up to the `last` task that the cursor has passed: no cap is broken."""
    total = job.total or 0
    leaves = deps.store.get_node_leaves(job.job_id, node)
    open_ones = [
        index
        for number in leaves_of_node(node, total)
        for index in leaf_range(number, total)
        if index <= last and (number not in leaves or offset_of(index) not in leaves[number].finals)
    ]
    rows = deps.store.get_tasks(job.job_id, open_ones)
    attempts = dict(attempts_of(deps, job, open_ones))
    attempts.update((index, row.attempt) for index, row in rows.items() if row.gen == job.gen)
    send_tasks(deps, job, attempts, tasks_per_message(Policy.load(job.policy), WINDOW_MAX_TASKS))
    deps.journal.event(
        "tasks.resent", job_id=job.job_id, tenant=job.tenant, node=node, count=len(attempts)
    )
