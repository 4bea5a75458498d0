"""The fleet as people see it: who is alive, and what each worker runs of their own jobs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import batched

from pydantic import BaseModel, ConfigDict, JsonValue

from orchestrator.errors import InvalidCursor
from orchestrator.model.ids import task_id
from orchestrator.model.items import Running, Worker
from orchestrator.service.access import Caller
from orchestrator.service.cursor import decode_cursor, encode_cursor
from orchestrator.service.fleet_port import WORKER_SHARDS
from orchestrator.service.input_schemas import handler_schemas
from orchestrator.service.ports import Deps

TASKS_SHOWN = 100
"""Tasks named of one worker."""
JOBS_ASKED = 200
"""Jobs of a page whose tenant is looked up; tasks of others are counted, not named."""
WORKERS_MAX_BYTES = 500_000
"""Of a page; with its schemas it stays below 1 MB."""
GONE_A_SWEEP = 200
_JOBS_A_READ = 50


class WorkerTask(BaseModel):
    """A task that a worker runs now, of the caller's tenant. `progress` is 0..1, as the handler says."""

    model_config = ConfigDict(frozen=True)

    task_id: str
    job_id: str
    index: int
    attempt: int
    started_at: datetime
    progress: float | None


class WorkerOut(BaseModel):
    """A worker as its last heartbeat told: `running` tasks of every tenant, of which `not_shown` unnamed."""

    model_config = ConfigDict(frozen=True)

    worker_id: str
    version: str
    handlers: tuple[str, ...]
    unknown_handlers: tuple[str, ...]
    slots: int
    draining: bool
    alive_since: datetime
    seen_at: datetime
    running: int
    tasks: list[WorkerTask]
    not_shown: int


class WorkerPage(BaseModel):
    """A page of the living workers; `next_cursor` is null on the last one.

    `schemas`, where they were asked for: the JSON schema of the input of each handler that declares one, as the
    page's newest worker with that handler has it.
    """

    model_config = ConfigDict(frozen=True)

    workers: list[WorkerOut]
    next_cursor: str | None
    schemas: dict[str, JsonValue] | None


def list_workers(
    deps: Deps, caller: Caller, *, limit: int, cursor: str | None, schemas: bool = False
) -> WorkerPage:
    """List the workers that were heard of of late, limited by count and by bytes. Raises InvalidCursor.

    Costs a query a shard, and by batch the tenants of the page's jobs, what runs of the caller's own, and the
    schemas.
    """
    owner = ["workers", caller.tenant]
    after = decode_cursor(deps.cursor_key(), owner, cursor) if cursor is not None else None
    if isinstance(after, int):
        raise InvalidCursor("the cursor comes from another list")
    now = deps.now()
    found = deps.store.list_workers(now, limit + 1, after)
    page = found[:limit]
    own = _own_jobs(deps, caller, page)
    pairs = [(job, worker.worker_id) for worker in page for job in sorted(worker.jobs & own)]
    running: dict[str, list[Running]] = {}
    for item in deps.store.get_running(pairs, now) if pairs else []:
        running.setdefault(item.worker_id, []).append(item)
    views = _fit(_worker_view(worker, running.get(worker.worker_id, [])) for worker in page)
    return WorkerPage(
        workers=views,
        next_cursor=(
            encode_cursor(deps.cursor_key(), owner, views[-1].worker_id)
            if len(found) > len(views)
            else None
        ),
        schemas=handler_schemas(deps, page[: len(views)]) if schemas else None,
    )


def _fit(views: Iterable[WorkerOut]) -> list[WorkerOut]:
    """Return as many workers as fit a page's bytes, at least one."""
    kept: list[WorkerOut] = []
    size = 0
    for view in views:
        size += len(view.model_dump_json().encode())
        if kept and size > WORKERS_MAX_BYTES:
            break
        kept.append(view)
    return kept


def _own_jobs(deps: Deps, caller: Caller, workers: Iterable[Worker]) -> frozenset[str]:
    """Return which of the jobs that the workers run are the caller's tenant's."""
    asked = sorted({job_id for worker in workers for job_id in worker.jobs}, reverse=True)
    tenants = _tenants(deps, asked[:JOBS_ASKED])
    return frozenset(job_id for job_id, tenant in tenants.items() if tenant == caller.tenant)


def _tenants(deps: Deps, job_ids: Sequence[str]) -> Mapping[str, str]:
    """Return the tenants of jobs; they never change, so the process keeps them."""
    known = {job_id: deps.cache.get(f"tenant/{job_id}") for job_id in job_ids}
    unknown = [job_id for job_id, tenant in known.items() if tenant is None]
    for chunk in batched(unknown, _JOBS_A_READ, strict=False):
        for job, _ in deps.store.get_jobs_and_roots(chunk):
            known[job.job_id] = deps.cache[f"tenant/{job.job_id}"] = job.tenant
    return {job_id: tenant for job_id, tenant in known.items() if isinstance(tenant, str)}


def _worker_view(worker: Worker, running: Iterable[Running]) -> WorkerOut:
    tasks = [
        WorkerTask(
            task_id=task_id(item.job_id, task.index),
            job_id=item.job_id,
            index=task.index,
            attempt=task.attempt,
            started_at=item.seen_at - timedelta(milliseconds=task.since_ms),
            progress=task.progress,
        )
        for item in running
        for task in item.tasks
    ]
    tasks.sort(key=lambda task: (task.started_at, task.task_id))
    shown = tasks[:TASKS_SHOWN]
    return WorkerOut(
        worker_id=worker.worker_id,
        version=worker.version,
        handlers=worker.handlers,
        unknown_handlers=worker.unknown_handlers,
        slots=worker.slots,
        draining=worker.draining,
        alive_since=worker.alive_since or worker.seen_at,
        seen_at=worker.seen_at,
        running=worker.running,
        tasks=shown,
        not_shown=max(0, worker.running - len(shown)),
    )


def sweep_workers(deps: Deps, seconds_left: Callable[[], float]) -> int:
    """Delete rows of workers that are gone, of one shard each minute; return how many.

    DynamoDB's own expiry may take days, and every row that is left costs each list its reading.
    """
    now, deleted = deps.now(), 0
    shard = int(now.timestamp()) // 60 % WORKER_SHARDS
    for worker_id in deps.store.list_gone_workers(shard, now, GONE_A_SWEEP):
        if seconds_left() <= 0:
            break
        deleted += deps.store.delete_gone_worker(worker_id, now)
    return deleted
