"""The results of a finished job against its counts and its sets."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from io import BytesIO

from orchestrator.model.ids import NODE_SIZE, leaf_of, nodes_of, offset_of
from orchestrator.model.progress import Leaf
from orchestrator.service.audit_kinds import Facts, Finding, Place
from orchestrator.service.finish import Manifest, PartEntry
from orchestrator.service.ports import Deps

PART_READ_MAX_BYTES = 64 * 1024 * 1024
"""A part is read whole by a function of 512 MB."""


def read_manifest(deps: Deps, facts: Facts) -> Manifest | None:
    """Read the manifest of a final job, None where there is none."""
    ref = facts.job.results_ref
    body = deps.results.get(ref) if ref is not None else None
    return Manifest.model_validate_json(body) if body is not None else None


def check_manifest(facts: Facts, manifest: Manifest | None) -> Iterator[Finding]:
    """Hold the manifest to JOB: generation, counts, and one part a node."""
    job = facts.job
    place: Place = ("job", 0)
    if manifest is None:
        if not (facts.expired and job.results_ref is not None):
            yield Finding("manifest_missing", place, job.results_ref or "a reference", "none")
        return
    for name, expected, found in (
        ("job", job.job_id, manifest.job_id),
        ("generation", job.gen, manifest.gen),
        ("lines", facts.total, manifest.lines),
        ("lines of parts", facts.total, sum(part.lines for part in manifest.parts)),
        ("bytes of parts", manifest.bytes, sum(part.bytes for part in manifest.parts)),
        ("counts", job.final_counts, manifest.counts_value()),
        (
            "parts",
            [(node * NODE_SIZE, _size(facts, node)) for node in nodes_of(facts.total)],
            [(part.first_index, part.lines) for part in manifest.parts],
        ),
    ):
        if expected != found:
            yield Finding("manifest_differs", place, f"{name}: {expected}", f"{found}")


def _size(facts: Facts, node: int) -> int:
    return min(NODE_SIZE, facts.total - node * NODE_SIZE)


def check_part(
    deps: Deps, facts: Facts, manifest: Manifest, node: int, leaves: Mapping[int, Leaf]
) -> Iterator[Finding]:
    """Read a node's part of the results and hold each line to the task's set."""
    place: Place = ("node", node)
    entry = next((p for p in manifest.parts if p.first_index == node * NODE_SIZE), None)
    if entry is None:
        return  # check_manifest says so.
    if entry.bytes > PART_READ_MAX_BYTES:
        limit = f"at most {PART_READ_MAX_BYTES} bytes"
        yield Finding("part_not_read", place, limit, f"{entry.bytes}")
        return
    body = deps.results.get(entry.key)
    if body is None:
        if not facts.expired:
            yield Finding("part_missing", place, entry.key, "none")
        return
    yield from _check_lines(facts, node, leaves, entry, body)


def _check_lines(
    facts: Facts, node: int, leaves: Mapping[int, Leaf], entry: PartEntry, body: bytes
) -> Iterator[Finding]:
    if len(body) != entry.bytes:
        yield Finding("part_differs", ("node", node), f"{entry.bytes} bytes", f"{len(body)}")
    expected = iter(range(node * NODE_SIZE, node * NODE_SIZE + _size(facts, node)))
    for line in BytesIO(body):
        index = next(expected, None)
        found = _read_line(line)
        if index is None or found is None or found[0] != index:
            text = f"the line of task {index}" if index is not None else "no more lines"
            seen = f"that of {found[0]}" if found is not None else "no line of results"
            yield Finding("part_differs", ("node", node), text, seen)
            return
        leaf = leaves.get(leaf_of(index))  # Where there is none, check_leaf says so.
        if leaf is not None and found[1] != leaf.state(offset_of(index)):
            state = leaf.state(offset_of(index))
            yield Finding("part_differs", ("task", index), state, found[1])
    missing = next(expected, None)
    if missing is not None:
        yield Finding("part_differs", ("node", node), f"the line of task {missing}", "the end")


def _read_line(line: bytes) -> tuple[int, str] | None:
    """Return the task and the state that a line tells, None where it is no such line."""
    try:
        value = json.loads(line)
        return value["index"], value["state"]
    except (ValueError, KeyError, TypeError):
        return None
