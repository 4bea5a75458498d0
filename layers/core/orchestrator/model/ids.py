"""Names and numbers: job and task ids, and a task's place in the tree of progress sets."""

from __future__ import annotations

import re
from dataclasses import dataclass

LEAF_SIZE = 250
"""Tasks in a leaf: four sets of 250 small numbers stay below 1 KB, one DynamoDB write unit."""
NODE_LEAVES = 64
"""Leaves in a node; a node is one partition of task rows (1,000 write units a second)."""
NODE_SIZE = LEAF_SIZE * NODE_LEAVES
MAX_TASKS = 1_000_000
MAX_NODES = -(-MAX_TASKS // NODE_SIZE)

_JOB_ID = re.compile(r"[0-7][0-9A-HJKMNP-TV-Z]{25}")
_TASK_ID = re.compile(r"([0-7][0-9A-HJKMNP-TV-Z]{25})-(0|[1-9][0-9]{0,6})")


@dataclass(frozen=True, slots=True)
class TaskKey:
    """A task's job and its index within it."""

    job_id: str
    index: int


def is_job_id(text: str) -> bool:
    """Tell whether `text` is a ULID in its canonical (upper case) form."""
    return _JOB_ID.fullmatch(text) is not None


def task_id(job_id: str, index: int) -> str:
    """Return the public id of task `index` (from 0)."""
    return f"{job_id}-{index}"


def parse_task_id(text: str) -> TaskKey | None:
    """Return the parts of a task id, or None where it is malformed."""
    match = _TASK_ID.fullmatch(text)
    if match is None or int(match[2]) >= MAX_TASKS:
        return None
    return TaskKey(match[1], int(match[2]))


def leaf_of(index: int) -> int:
    """Return the leaf that holds task `index`."""
    return index // LEAF_SIZE


def offset_of(index: int) -> int:
    """Return the task's offset in its leaf."""
    return index % LEAF_SIZE


def node_of_leaf(leaf: int) -> int:
    """Return the node that holds `leaf`."""
    return leaf // NODE_LEAVES


def node_of(index: int) -> int:
    """Return the node that holds task `index`."""
    return index // NODE_SIZE


def nodes_of(total: int) -> range:
    """Return the nodes of a job of `total` tasks."""
    return range(-(-total // NODE_SIZE))


def leaves_of_node(node: int, total: int) -> range:
    """Return the leaves of `node` in a job of `total` tasks."""
    return range(node * NODE_LEAVES, min((node + 1) * NODE_LEAVES, -(-total // LEAF_SIZE)))


def leaf_range(leaf: int, total: int) -> range:
    """Return the task indexes of `leaf` in a job of `total` tasks."""
    return range(leaf * LEAF_SIZE, min((leaf + 1) * LEAF_SIZE, total))
