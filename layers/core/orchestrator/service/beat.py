"""Heartbeats: who is alive, what runs where, and how cancel reaches handlers."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from orchestrator.model.items import Running, Worker
from orchestrator.model.progress import RUNNING_FRESH
from orchestrator.model.wire import HeartbeatIn, HeartbeatOut, JobStatus, RunningTask
from orchestrator.service.commit import push_again
from orchestrator.service.input_schemas import take_schemas
from orchestrator.service.ports import Deps

WORKER_FRESH = timedelta(seconds=180)
"""A worker that has not said anything for three idle heartbeats is gone."""
RUNNING_INTERVAL = timedelta(seconds=5)


def heartbeat(deps: Deps, worker_id: str, body: HeartbeatIn) -> HeartbeatOut:
    """Keep what a worker says, push what its reports left behind, answer with its jobs' states.

    Asks for the schemas of its handlers' inputs where they are not known.
    """
    now = deps.now()
    by_job: dict[str, list[RunningTask]] = {}
    for task in body.running:
        by_job.setdefault(task.job, []).append(task)
    before = deps.store.put_worker(
        Worker(
            worker_id=worker_id,
            version=body.version,
            slots=body.slots,
            handlers=tuple(body.handlers),
            unknown_handlers=tuple(body.unknown_handlers),
            draining=body.draining,
            jobs=frozenset(by_job),
            seen_at=now,
            expires_at=now + WORKER_FRESH,
            running=len(body.running),
            alive_since=now,
            schemas_digest=body.schemas_digest,
        )
    )
    for job_id, tasks in by_job.items():
        deps.store.put_running(
            Running(
                job_id=job_id,
                worker_id=worker_id,
                tasks=tuple(tasks),
                seen_at=now,
                expires_at=now + RUNNING_FRESH,
            )
        )
    left = (before.jobs if before is not None else frozenset()) - by_job.keys()
    for job_id in left:
        deps.store.delete_running(job_id, worker_id)
    return _answer(deps, {*by_job, *left, *body.touched}, body)


def _answer(deps: Deps, job_ids: Iterable[str], body: HeartbeatIn) -> HeartbeatOut:
    statuses: dict[str, JobStatus] = {}
    for job_id in sorted(job_ids):
        job = deps.store.get_job(job_id)
        if job is None:
            continue
        statuses[job_id] = JobStatus(gen=job.gen, state=job.state)
        if not job.state.final:
            push_again(deps, job, body.touched.get(job_id, []))
            count_running(deps, job_id)
    return HeartbeatOut(jobs=statuses, schemas_wanted=take_schemas(deps, body))


def count_running(deps: Deps, job_id: str) -> None:
    """Refresh ROOT's running counts if they are older than 5 s."""
    now = deps.now()
    as_of = deps.store.get_root(job_id).running_as_of
    if as_of is not None and now - as_of < RUNNING_INTERVAL:
        return
    tasks = [task for item in deps.store.list_running(job_id, now) for task in item.tasks]
    first = sum(task.attempt == 1 for task in tasks)
    deps.store.set_running(job_id, first, len(tasks) - first, now, now - RUNNING_INTERVAL)
