"""Results: one JSONL part a node, a line a task, ordered by index."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from pydantic import JsonValue

from orchestrator.model.ids import NODE_SIZE, task_id
from orchestrator.model.items import Job, TaskRow
from orchestrator.model.states import TaskState
from orchestrator.service.ports import Deps
from orchestrator.spec import encode_json

PART_INLINE_MAX_BYTES = 16 * 1024 * 1024
"""Large results are inlined into a part up to this, then linked: the Lambda has 512 MB."""
_FETCH_AT_ONCE = 256


def write_node_results(
    deps: Deps,
    job: Job,
    node: int,
    states: Mapping[int, TaskState],
    rows: Mapping[int, TaskRow],
) -> dict[str, Any]:
    """Write the part of one node; return its entry in the manifest."""
    refs = [
        row.result_ref
        for index, state in states.items()
        if state is TaskState.SUCCEEDED
        and (row := rows.get(index)) is not None
        and row.result_ref is not None
    ]
    large = _fetch(deps, refs)
    lines = [_line(job, index, state, rows.get(index), large) for index, state in states.items()]
    body = b"".join(lines)
    key = f"results/{job.job_id}/{job.gen}/part-{node:05d}.jsonl"
    deps.results.put(key, body, "application/x-ndjson")
    return {
        "key": key,
        "first_index": node * NODE_SIZE,
        "lines": len(lines),
        "bytes": len(body),
        "sha256": hashlib.sha256(body).hexdigest(),
    }


def _fetch(deps: Deps, refs: list[str]) -> dict[str, bytes]:
    """Read large results until the budget is spent; those that are not in the answer are linked."""
    found: dict[str, bytes] = {}
    size = 0
    for start in range(0, len(refs), _FETCH_AT_ONCE):
        chunk = refs[start : start + _FETCH_AT_ONCE]
        for ref, body in zip(chunk, deps.results.get_many(chunk), strict=True):
            if body is not None and size + len(body) <= PART_INLINE_MAX_BYTES:
                found[ref] = body
                size += len(body)
        if size > PART_INLINE_MAX_BYTES * 0.9:
            break
    return found


def _line(
    job: Job, index: int, state: TaskState, row: TaskRow | None, large: Mapping[str, bytes]
) -> bytes:
    line: dict[str, JsonValue] = {
        "index": index,
        "task_id": task_id(job.job_id, index),
        "state": state,
        "attempt": row.attempt if row is not None else 0,
    }
    if row is not None and state is TaskState.SUCCEEDED:
        line |= _result(row, large)
    elif row is not None and state is TaskState.FAILED and row.last is not None:
        error = row.last.error
        line["error"] = error.model_dump(mode="json") if error is not None else None
    return encode_json(line) + b"\n"


def _result(row: TaskRow, large: Mapping[str, bytes]) -> dict[str, JsonValue]:
    if row.result_ref is None:
        return {"result": json.loads(row.result) if row.result is not None else None}
    if row.result_ref in large:
        return {"result": json.loads(large[row.result_ref])}
    return {"result_key": row.result_ref}
