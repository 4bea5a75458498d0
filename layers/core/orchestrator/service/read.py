"""Reads: a job, a task, results. Each costs O(1), at any size of job."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from pydantic import JsonValue

from orchestrator.errors import Conflict, NotFound
from orchestrator.model.ids import leaf_of, parse_task_id
from orchestrator.model.items import Job, TaskRow
from orchestrator.model.progress import Leaf
from orchestrator.model.states import TaskState
from orchestrator.model.wire import RunningTask
from orchestrator.service.access import Caller, own_job, own_job_and_leaf
from orchestrator.service.finish import Manifest
from orchestrator.service.inputs import load_plan, read_inputs
from orchestrator.service.ports import Deps
from orchestrator.service.views import (
    JobOut,
    ResultsOut,
    ResultsPart,
    TaskData,
    TaskOut,
    attempts_of_row,
    counts_view,
    job_view,
    task_state,
    task_view,
)

LINK_SECONDS = 3_600

RunningNow = dict[int, tuple[str, RunningTask, datetime]]


def read_job(deps: Deps, caller: Caller, job_id: str) -> JobOut:
    """Return a job. Raises NotFound."""
    job, root = own_job(deps, caller, job_id)
    return job_view(job, root, deps.now())


def task_views(
    deps: Deps,
    job: Job,
    found: Sequence[tuple[int, Leaf | None]],
    rows: Mapping[int, TaskRow],
    running: RunningNow,
) -> list[TaskOut]:
    """Return tasks as the API shows them, their inputs read by as few requests as they lie in runs."""
    indexes = [index for index, _ in found]
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
    """Return input, result and logs of a task; a large result and the logs are linked."""
    logs = {
        end.attempt: deps.results.link(end.log_ref, LINK_SECONDS)
        for end in attempts_of_row(row)
        if end.log_ref is not None
    }
    if row is None or task_state(index, leaf, None) is not TaskState.SUCCEEDED:
        return TaskData(value, log_urls=logs)
    result = json.loads(row.result) if row.result is not None else None
    url = deps.results.link(row.result_ref, LINK_SECONDS) if row.result_ref else None
    return TaskData(value, result, url, logs)


def running_now(deps: Deps, job: Job) -> RunningNow:
    """Return what live workers run of a job, by index: one query, none where the job has ended."""
    if job.state.final:
        return {}
    return {
        task.index: (item.worker_id, task, item.seen_at - timedelta(milliseconds=task.since_ms))
        for item in deps.store.list_running(job.job_id, deps.now())
        for task in item.tasks
    }


def read_task(deps: Deps, caller: Caller, text: str) -> TaskOut:
    """Return one task. Raises NotFound."""
    key = parse_task_id(text)
    found = own_job_and_leaf(deps, caller, key.job_id, leaf_of(key.index)) if key else None
    if key is None or found is None or key.index >= (found[0].total or 0):
        raise NotFound(
            f"there is no task {text[:40]!r}", action="List the job's tasks to see their ids."
        )
    job, leaf = found
    rows = deps.store.get_tasks(job.job_id, [key.index])
    return task_views(deps, job, [(key.index, leaf)], rows, running_now(deps, job))[0]


def job_results(deps: Deps, caller: Caller, job_id: str) -> ResultsOut:
    """Return presigned links to the results of a finished job. Raises NotFound, Conflict."""
    job, _ = own_job(deps, caller, job_id)
    if job.state.final and job.results_ref is None:
        raise Conflict(
            f"the job is {job.state} and never had a task, so it has no results",
            action="Its state_reason says why; links.bad_lines names the lines at fault.",
        )
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
