"""The inputs of a message's tasks: inside it, or lines of a part in the data bucket."""

from __future__ import annotations

import json
from itertools import pairwise
from struct import unpack

from orchestrator.model.wire import InputsRef, TaskMessage
from worker.api import Json
from worker.ports import Buckets

_OFFSET_BYTES = 8


def inputs_of(message: TaskMessage, buckets: Buckets) -> dict[int, Json]:
    """Return the inputs by index; tasks without any have None. Raises Unavailable, FileNotFoundError.

    ValueError: what was read is not what the control plane writes.
    """
    tasks = message.tasks()
    if message.inputs is not None:
        return dict(zip(tasks, message.inputs, strict=True))
    if message.inputs_ref is not None:
        return _read(message.inputs_ref, tasks, buckets)
    return dict.fromkeys(tasks)


def _read(ref: InputsRef, tasks: list[int], buckets: Buckets) -> dict[int, Json]:
    """Read two ranges: the line offsets, then the lines from the first task to the last."""
    first, count = tasks[0] - ref.start, tasks[-1] - tasks[0] + 2
    index = buckets.read_range(
        f"{ref.key}.idx", first * _OFFSET_BYTES, (first + count) * _OFFSET_BYTES
    )
    if len(index) != count * _OFFSET_BYTES:
        raise ValueError(f"the line index of {ref.key!r} is cut off")
    offsets = unpack(f"<{count}Q", index)
    body = buckets.read_range(ref.key, offsets[0], offsets[-1])
    lines = [body[start - offsets[0] : stop - offsets[0]] for start, stop in pairwise(offsets)]
    return {task: json.loads(lines[task - tasks[0]]) for task in tasks}
