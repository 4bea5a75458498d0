"""Steps 4 to 6 of a completion: outcomes into the leaf, the leaf into its node, the node into ROOT.

Each step may be repeated at any time. What a crash leaves undone, any repetition heals.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from orchestrator.model.ids import NODE_SIZE, leaf_of, node_of_leaf, offset_of
from orchestrator.model.items import Job, Stop
from orchestrator.model.progress import (
    Counts,
    Leaf,
    Node,
    Root,
    SetName,
    counts_of,
    pack_leaf,
    pack_node,
)
from orchestrator.model.series import Point, bucket_of
from orchestrator.model.states import JobEvent, JobState, StopReason, state_after, states_before
from orchestrator.model.timeline import TimelineEvent, TimelineKind
from orchestrator.policy import Policy, wants_refill, window_tasks
from orchestrator.service.ports import Deps, JobChanges, JobGuard

ROOT_PUSH_INTERVAL = timedelta(seconds=0.5)
"""ROOT is one item: about two pushes a second keep it far from its 1,000 write units a second."""


ROOT_PUSH_LOW_INTERVAL = timedelta(seconds=0.02)
"""The same while the queue runs low: shorter than an enqueuer takes to start, so it reads news."""
LARGE_WINDOW = 500
"""Windows from this size on: of smaller ones, workers that report each second make fewer pushes than that,
and a place that one report frees may be all that is free until the next."""
ASK_TIMEOUT = timedelta(seconds=5)
"""An enqueuer moves the cursor within this time, cold start included; where not, reports ask for another."""


def expiry(deps: Deps) -> datetime:
    """Return when what is written now may be deleted."""
    return deps.now() + deps.retention


def put_leaves_in_node(deps: Deps, job: Job, leaves: Mapping[int, Leaf], calls: int = 0) -> Node:
    """Push the counts of leaves (by number, all of one node) into their node (step 5)."""
    packed = {number: pack_leaf(leaf.packed()) for number, leaf in leaves.items()}
    return deps.store.push_leaves(job.job_id, packed, expiry(deps), calls)


def put_node_in_root(deps: Deps, job: Job, number: int, node: Node) -> Root:
    """Push a node's counts into ROOT (step 6)."""
    return deps.store.push_node(
        job.job_id, number, pack_node(node.packed()), deps.now(), expiry(deps)
    )


def commit_outcomes(deps: Deps, job: Job, outcomes: Mapping[int, SetName]) -> frozenset[int]:
    """Add outcomes (index -> set) to the sets and push; return the tasks whose leaf is closed."""
    closed: set[int] = set()
    changed: dict[int, dict[int, Leaf]] = {}
    for number, members in _by_leaf(outcomes).items():
        leaf = deps.store.add_to_leaf(job.job_id, number, job.gen, members, expiry(deps))
        if leaf is None:
            closed.update(index for index in outcomes if leaf_of(index) == number)
        else:
            changed.setdefault(node_of_leaf(number), {})[number] = leaf
    nodes: dict[int, Node] = {}
    for node, leaves in changed.items():
        calls = 0 if nodes else 1  # Of several nodes, the first counts the worker's request.
        nodes[node] = put_leaves_in_node(deps, job, leaves, calls)
    if nodes:
        push_nodes(deps, job, nodes)
    return frozenset(closed)


def _by_leaf(outcomes: Mapping[int, SetName]) -> dict[int, dict[SetName, frozenset[int]]]:
    leaves: dict[int, dict[SetName, frozenset[int]]] = {}
    for index, name in outcomes.items():
        members = leaves.setdefault(leaf_of(index), {})
        members[name] = members.get(name, frozenset()) | {offset_of(index)}
    return leaves


def push_nodes(deps: Deps, job: Job, nodes: Mapping[int, Node]) -> None:
    """Push nodes into ROOT, not more often than needed, then see whether the job is to move on."""
    root = before = deps.store.get_root(job.job_id)
    pushed = False
    for number, node in nodes.items():
        if not _may_wait(job, root, number, node, deps.now()):
            root = put_node_in_root(deps, job, number, node)
            pushed = True
    if pushed:
        judge_job(deps, job, root)
        note_progress(deps, job, before, root)


def note_progress(deps: Deps, job: Job, before: Root, root: Root) -> None:
    """File ROOT's counts as a point of the series, where the push before was in another bucket.

    So a job of any rate writes a point each 5 s at most, ever fewer as it grows old.
    """
    if job.started_at is None:
        return
    now = deps.now()
    bucket = bucket_of((now - job.started_at).total_seconds())
    last = before.pushed_at
    if (
        last is None
        or last < job.started_at
        or bucket_of((last - job.started_at).total_seconds()) < bucket
    ):
        put_point(deps, job, bucket, now, counts_of(job.total or 0, root, now))


def put_point(deps: Deps, job: Job, bucket: int, at: datetime, counts: Counts) -> None:
    """File counts as a point of the job's series."""
    point = Point(gen=job.gen, bucket=bucket, at=at, counts=counts)
    deps.store.put_point(job.job_id, point, expiry(deps))


def _may_wait(job: Job, root: Root, number: int, node: Node, now: datetime) -> bool:
    """Tell whether a later push will do: not for a complete node, nor where failures grew or work runs out
    and ROOT does not say so yet.

    Without the last, a job of few tasks at once would stand still until the next heartbeat.
    """
    if root.pushed_at is None or now - root.pushed_at >= ROOT_PUSH_INTERVAL:
        return False
    tally = node.packed().tally
    size = min(NODE_SIZE, (job.total or 0) - number * NODE_SIZE)
    if tally.finals == size or tally.failed > root.node_tally(number).failed:
        return False
    policy = Policy.load(job.policy)
    if now - root.pushed_at < ROOT_PUSH_LOW_INTERVAL and _known_low(job, root, policy, now):
        return True
    pushed = replace(root, nodes={**root.nodes, number: pack_node(node.packed())})
    return not refill_due(job, pushed, policy, now)


def _known_low(job: Job, root: Root, policy: Policy, now: datetime) -> bool:
    """Tell whether ROOT says already that the queue runs low: who pushed it has started an enqueuer.

    What that one sends is reported later, by reports that find the cursor moved and push these counts too. Of
    few tasks each is told at once: their free places would be filled only after the next report.
    """
    return backlog_of(job, root, policy, now).is_large and refill_due(job, root, policy, now)


def push_again(deps: Deps, job: Job, nodes: Iterable[int]) -> None:
    """Push nodes as they stand now, unthrottled: the tail that the throttle held back.

    Judged only where the job was PROCESSING before they were read: those of a job that is being
    reopened may still say that all of it has ended.
    """
    root = None
    for number, node in deps.store.get_nodes(job.job_id, sorted(set(nodes))).items():
        root = put_node_in_root(deps, job, number, node)
    if root is not None and job.state is JobState.PROCESSING:
        judge_job(deps, job, root)


def judge_job(deps: Deps, job: Job, root: Root) -> None:
    """Stop, wake or refill a job after ROOT changed. `job` was read before `root` was."""
    policy, tally = Policy.load(job.policy), root.tally()
    tolerance = policy.tolerated_failures
    if tolerance.when_exceeded == "stop" and tolerance.exceeded(tally.failed, job.total or 0):
        stop_job(deps, job.job_id, job.gen, StopReason.TOLERANCE, "policy")
    if tally.finals == job.total:
        wake_monitor(deps, job.job_id, job.gen)
    elif job.state is JobState.PROCESSING and refill_due(job, root, policy, deps.now()):
        _ask_for_more(deps, job, root, policy)


def _ask_for_more(deps: Deps, job: Job, root: Root, policy: Policy) -> None:
    """Have the queue refilled, unless its cursor has moved on since `job` was read, or somebody has asked.

    Else each report that comes while an enqueuer starts would start one more, that finds nothing to send.
    """
    known, now = deps.store.get_job(job.job_id), deps.now()
    if known is None or known.gen != job.gen or not refill_due(known, root, policy, now):
        return
    if not backlog_of(known, root, policy, now).is_large or _ask(deps, known, now):
        deps.enqueue_later(job.job_id, job.gen)


def _ask(deps: Deps, job: Job, now: datetime) -> bool:
    """Note on JOB that an enqueuer is asked for; False where one is, or the cursor has moved."""
    if job.is_asked(now):
        return False  # The write would be refused, and charged.
    guard = JobGuard(
        gen=job.gen, cursor=job.cursor, states=frozenset({JobState.PROCESSING}), unasked_at=now
    )
    changes = JobChanges(asked_until=now + ASK_TIMEOUT, expires_at=expiry(deps))
    return deps.store.update_job(job.job_id, guard, **changes) is not None


@dataclass(frozen=True, slots=True)
class Backlog:
    """What is out (sent and not ended), how much may be, and how much was not sent yet."""

    outstanding: int
    window: int
    unsent: int

    @property
    def is_large(self) -> bool:
        """Tell whether so much may be out that a single free place does not matter."""
        return self.window >= LARGE_WINDOW


def backlog_of(job: Job, root: Root, policy: Policy, now: datetime) -> Backlog:
    """Return the window's arithmetic (PROTOCOL: EnqueueTasks)."""
    finished = root.tally().finals - job.base_finals
    elapsed = (now - job.started_at).total_seconds() if job.started_at else 0.0
    return Backlog(job.cursor - finished, window_tasks(policy, finished, elapsed), job.unsent)


def refill_due(job: Job, root: Root, policy: Policy, now: datetime) -> bool:
    """Tell whether the queue runs low while there is more to send, and it may be sent."""
    if any(shut is not None and now < shut for shut in (job.opens_at, job.held_until)):
        return False
    backlog = backlog_of(job, root, policy, now)
    return backlog.unsent > 0 and wants_refill(policy, backlog.outstanding, backlog.window)


def wake_monitor(deps: Deps, job_id: str, gen: int) -> None:
    """Send the token of a complete job, if it is still this generation's and PROCESSING.

    The job is read again: a report that stalled after ROOT was complete may find that the job ended and
    was retried, and must not wake the next generation's monitor.
    """
    job = deps.store.get_job(job_id)
    if job is None or job.gen != gen or job.state is not JobState.PROCESSING:
        return
    send_token(deps, job)


def send_token(deps: Deps, job: Job) -> None:
    """Let a waiting MonitorJob go on; sent twice or too late it changes nothing."""
    if job.token is not None:
        stopping = job.state is JobState.STOPPING
        sent = deps.machine.send_success(job.token, {"stopping": stopping, "superseded": False})
        deps.journal.event(
            "job.woken", job_id=job.job_id, gen=job.gen, tenant=job.tenant, sent=sent
        )


def stop_job(deps: Deps, job_id: str, gen: int, reason: StopReason, by: str) -> Job | None:
    """Move a job to STOPPING by one write and wake its machine; None where it was too late."""
    job = deps.store.update_job(
        job_id,
        JobGuard(gen=gen, states=states_before(JobEvent.STOPPED)),
        state=state_after(JobEvent.STOPPED),
        state_reason=reason,
        stop=Stop(reason=reason, by=by, at=deps.now()),
        unsent_of=None,
        happened=TimelineEvent(
            gen=gen,
            what=TimelineKind.STOPPED,
            at=deps.now(),
            state=JobState.STOPPING,
            by=by,
            detail=reason,
        ),
        next_check_at=deps.now(),
        checks=0,
        expires_at=expiry(deps),
    )
    if job is not None:
        deps.journal.event(
            "job.stopping", job_id=job_id, gen=gen, tenant=job.tenant, reason=reason, by=by
        )
        send_token(deps, job)
        if job.unsent > 0:
            deps.enqueue_later(job_id, gen)  # It sends no more, but lets lower jobs go on.
    return job
