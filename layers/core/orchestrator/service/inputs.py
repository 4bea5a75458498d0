"""The plan and the inputs of tasks, read from S3 by range."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from itertools import pairwise
from struct import Struct, unpack_from

from pydantic import JsonValue

from orchestrator.model.items import Job
from orchestrator.service.ports import Deps
from orchestrator.spec import InputsPart, Part, Plan

_OFFSET = Struct("<Q")
_CACHE_MAX = 100
_CACHED_MAX_BYTES = 256 * 1024
"""What is larger is read by range, or each time: so the cache stays below 25 MB."""
_GAP_MAX_TASKS = 50
"""Inputs so close together are read by one request, those between them too."""


def parameters_key(job_id: str) -> str:
    """Return the data bucket's key of a job's parameters."""
    return f"jobs/{job_id}/parameters.json"


def spec_key(job_id: str) -> str:
    """Return the data bucket's key of a submission."""
    return f"jobs/{job_id}/spec.json"


def _digest(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()[:16]


def manifest_key(job_id: str) -> str:
    """Return the data bucket's key of what the submit found of a manifest."""
    return f"jobs/{job_id}/manifest.json"


def plan_key(job_id: str, body: bytes) -> str:
    """Return the data bucket's key of a plan."""
    return f"jobs/{job_id}/plan-{_digest(body)}.json"


def put_part(deps: Deps, job_id: str, number: int, part: InputsPart) -> Part:
    """Write a part of the inputs and its line offsets.

    Its name tells its content: of two that plan a job at once none writes over what the other's plan names.
    """
    key = f"jobs/{job_id}/inputs/{number:05d}-{_digest(part.body)}.jsonl"
    offsets = b"".join(map(_OFFSET.pack, part.offsets))
    deps.data.put(f"{key}.idx", offsets, "application/octet-stream")
    deps.data.put(key, part.body, "application/x-ndjson")
    return Part(start=part.start, stop=part.stop, key=key)


def _cached(deps: Deps, key: str) -> bytes:
    body = deps.cache.get(key)
    if not isinstance(body, bytes):
        body = deps.data.get(key)
        if body is None:
            raise FileNotFoundError(f"{key} is gone from the data bucket")
        _keep(deps, key, body)
    return body


def _keep(deps: Deps, key: str, body: bytes) -> None:
    """Keep an object that never changes; the one that was read first goes where there are too many."""
    if len(body) > _CACHED_MAX_BYTES:
        return
    while len(deps.cache) >= _CACHE_MAX:
        deps.cache.pop(next(iter(deps.cache)))
    deps.cache[key] = body


def load_plan(deps: Deps, job: Job) -> Plan:
    """Read the plan of a planned job."""
    assert job.plan_ref is not None
    return Plan.model_validate_json(_cached(deps, job.plan_ref))


def load_parameters(deps: Deps, job_id: str) -> JsonValue:
    """Read the job's parameters."""
    parameters: JsonValue = json.loads(_cached(deps, parameters_key(job_id)))
    return parameters


def _read_run(deps: Deps, part: Part, first: int, last: int) -> list[JsonValue]:
    """Read the inputs of tasks first..last of one part, whose line offsets are at hand after the first time."""
    known = _cached(deps, f"{part.key}.idx")
    size = len(known) // _OFFSET.size
    begin = first - part.start
    offsets = unpack_from(f"<{last - first + 2}Q", known, begin * _OFFSET.size)
    (whole,) = _OFFSET.unpack_from(known, (size - 1) * _OFFSET.size)
    if whole <= _CACHED_MAX_BYTES:
        body, base = _cached(deps, part.key), 0
    else:
        body, base = deps.data.get_range(part.key, offsets[0], offsets[-1]), offsets[0]
    return [json.loads(body[a - base : b - base]) for a, b in pairwise(offsets)]


def _runs(indexes: Sequence[int]) -> Iterable[tuple[int, int]]:
    """Cut ascending indexes into runs (first, last) without a wide gap."""
    first = last = indexes[0]
    for index in indexes[1:]:
        if index - last > _GAP_MAX_TASKS:
            yield first, last
            first = index
        last = index
    yield first, last


def render_inputs(plan: Plan, indexes: Iterable[int]) -> dict[int, JsonValue]:
    """Return the inputs of those tasks that are combinations of a matrix: they need no reading."""
    if plan.matrix is None:
        return {}
    matrix = plan.matrix.matrix()
    return {index: matrix.render(index) for index in indexes if index < matrix.total}


def read_inputs(deps: Deps, plan: Plan, indexes: Sequence[int]) -> dict[int, JsonValue]:
    """Read the inputs of ascending `indexes`; tasks without inputs have none in the answer."""
    wanted, found = set(indexes), render_inputs(plan, indexes)
    for part in plan.parts:
        inside = [index for index in indexes if part.start <= index < part.stop]
        for first, last in _runs(inside) if inside else ():
            values = _read_run(deps, part, first, last)
            found.update(
                (index, value) for index, value in enumerate(values, first) if index in wanted
            )
    return found
