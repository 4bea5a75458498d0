"""Reads: jobs, tasks and results. Each costs O(1) or O(page), at any size of job."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime, timedelta

from pydantic import JsonValue

from orchestrator.errors import Conflict, InvalidCursor, NotFound
from orchestrator.model.ids import leaf_of, parse_task_id
from orchestrator.model.items import Job, TaskRow
from orchestrator.model.progress import Leaf
from orchestrator.model.states import JobState, TaskState
from orchestrator.model.wire import RunningTask
from orchestrator.service.access import Caller, own_job
from orchestrator.service.cursor import decode_cursor, encode_cursor
from orchestrator.service.finish import Manifest
from orchestrator.service.inputs import load_plan, read_inputs
from orchestrator.service.ports import Deps
from orchestrator.service.views import (
    JobOut,
    JobPage,
    ResultsOut,
    ResultsPart,
    TaskData,
    TaskOut,
    TaskPage,
    counts_view,
    job_view,
    task_state,
    task_view,
)
from orchestrator.service.walk import find_tasks

PAGE_MAX_BYTES = 900_000
"""Below 1 MB, whatever the errors and inputs on the page hold."""
LINK_SECONDS = 3_600

RunningNow = dict[int, tuple[str, RunningTask, datetime]]


def read_job(deps: Deps, caller: Caller, job_id: str) -> JobOut:
    """Return a job. Raises NotFound."""
    job, root = own_job(deps, caller, job_id)
    return job_view(job, root, deps.now())


def list_jobs(
    deps: Deps, caller: Caller, *, state: JobState | None, limit: int, cursor: str | None
) -> JobPage:
    """List the tenant's jobs, newest first. Raises InvalidCursor."""
    owner = ["jobs", caller.tenant, state]
    before = decode_cursor(deps.cursor_key(), owner, cursor) if cursor is not None else None
    if isinstance(before, int):
        raise InvalidCursor("the cursor comes from another list")
    ids = deps.store.list_job_ids(caller.tenant, state, limit + 1, before)
    page = deps.store.get_jobs_and_roots(ids[:limit])
    more = len(ids) > limit
    now = deps.now()
    return JobPage(
        jobs=[job_view(job, root, now) for job, root in page],
        next_cursor=encode_cursor(deps.cursor_key(), owner, ids[limit - 1]) if more else None,
    )


def list_tasks(
    deps: Deps,
    caller: Caller,
    job_id: str,
    *,
    state: TaskState | None,
    limit: int,
    cursor: str | None,
) -> TaskPage:
    """List a job's tasks by index, limited by count and by bytes. Raises NotFound, InvalidCursor."""
    job, root = own_job(deps, caller, job_id)
    owner = ["tasks", job_id, state]
    first = decode_cursor(deps.cursor_key(), owner, cursor) if cursor is not None else 0
    if isinstance(first, str):
        raise InvalidCursor("the cursor comes from another list")
    running = running_now(deps, job_id)
    found = find_tasks(deps, job, root, state, first, limit + 1, running.keys())
    views = _views(deps, job, found[:limit], running)
    kept = _fit(views)
    last = kept[-1].index if kept else None
    more = last is not None and (len(found) > limit or len(kept) < len(views))
    return TaskPage(
        tasks=kept,
        next_cursor=encode_cursor(deps.cursor_key(), owner, last + 1)
        if more and last is not None
        else None,
    )


def _views(
    deps: Deps, job: Job, found: Sequence[tuple[int, Leaf | None]], running: RunningNow
) -> list[TaskOut]:
    indexes = [index for index, _ in found]
    rows = deps.store.get_tasks(job.job_id, indexes)
    inputs = read_inputs(deps, load_plan(deps, job), indexes) if job.plan_ref and indexes else {}
    return [
        task_view(
            job,
            index,
            leaf,
            rows.get(index),
            running.get(index),
            _data(deps, index, leaf, rows.get(index), inputs.get(index)),
        )
        for index, leaf in found
    ]


def _data(
    deps: Deps, index: int, leaf: Leaf | None, row: TaskRow | None, value: JsonValue
) -> TaskData:
    """Return input and result of a task; a large result is linked."""
    if row is None or task_state(index, leaf, None) is not TaskState.SUCCEEDED:
        return TaskData(value)
    result = json.loads(row.result) if row.result is not None else None
    url = deps.results.link(row.result_ref, LINK_SECONDS) if row.result_ref else None
    return TaskData(value, result, url)


def _fit(views: Sequence[TaskOut]) -> list[TaskOut]:
    """Keep as many tasks as fit a page's bytes, at least one."""
    kept: list[TaskOut] = []
    size = 0
    for view in views:
        size += len(view.model_dump_json().encode())
        if kept and size > PAGE_MAX_BYTES:
            break
        kept.append(view)
    return kept


def running_now(deps: Deps, job_id: str) -> RunningNow:
    """Return what live workers run of a job, by index: one query."""
    return {
        task.index: (item.worker_id, task, item.seen_at - timedelta(milliseconds=task.since_ms))
        for item in deps.store.list_running(job_id, deps.now())
        for task in item.tasks
    }


def read_task(deps: Deps, caller: Caller, text: str) -> TaskOut:
    """Return one task. Raises NotFound."""
    key = parse_task_id(text)
    job = own_job(deps, caller, key.job_id)[0] if key is not None else None
    if key is None or job is None or key.index >= (job.total or 0):
        raise NotFound(
            f"there is no task {text[:40]!r}", action="List the job's tasks to see their ids."
        )
    leaf = deps.store.get_leaf(job.job_id, leaf_of(key.index))
    return _views(deps, job, [(key.index, leaf)], running_now(deps, job.job_id))[0]


def job_results(deps: Deps, caller: Caller, job_id: str) -> ResultsOut:
    """Return presigned links to the results of a finished job. Raises NotFound, Conflict."""
    job, _ = own_job(deps, caller, job_id)
    if not job.state.final or job.results_ref is None:
        raise Conflict(
            f"the job is {job.state}: its results are written when it ends",
            action="Ask again when the job is final.",
        )
    body = deps.results.get(job.results_ref)
    if body is None:
        raise NotFound("the results have expired", action="Run the job again.")
    manifest = Manifest.model_validate_json(body)
    return ResultsOut(
        job_id=job_id,
        state=job.state,
        counts=counts_view(manifest.counts_value()),
        lines=manifest.lines,
        bytes=manifest.bytes,
        parts=[
            ResultsPart(
                url=deps.results.link(part.key, LINK_SECONDS),
                first_index=part.first_index,
                lines=part.lines,
                bytes=part.bytes,
                sha256=part.sha256,
            )
            for part in manifest.parts
        ],
        manifest_url=deps.results.link(job.results_ref, LINK_SECONDS),
        expires_in_seconds=LINK_SECONDS,
    )
