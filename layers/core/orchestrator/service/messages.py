"""Queue messages: tasks of one leaf, one part and one attempt, with their inputs or where those are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from pydantic import JsonValue

from orchestrator.model.ids import leaf_of
from orchestrator.model.items import Job
from orchestrator.model.lanes import Lane
from orchestrator.model.wire import INLINE_INPUTS_MAX_BYTES, InputsRef, TaskMessage
from orchestrator.policy import Policy
from orchestrator.service.inputs import load_plan, read_inputs, render_inputs
from orchestrator.service.ports import Deps, Outgoing
from orchestrator.spec import Plan, encode_json


def group_tasks(
    plan: Plan, attempts: Mapping[int, int], per_message: int
) -> Iterator[tuple[list[int], int]]:
    """Group tasks (index -> attempt) into messages: at most `per_message`, one leaf, part and attempt."""
    open_groups: dict[tuple[int, str | None, int], list[int]] = {}
    for index in sorted(attempts):
        part = plan.part_of(index)
        key = (leaf_of(index), part.key if part else None, attempts[index])
        group = open_groups.setdefault(key, [])
        group.append(index)
        if len(group) == per_message:
            yield open_groups.pop(key), key[2]
    for (_, _, attempt), group in open_groups.items():
        yield group, attempt


def _message(
    job: Job, plan: Plan, indexes: list[int], attempt: int, inputs: Mapping[int, JsonValue]
) -> TaskMessage:
    part = plan.part_of(indexes[0])
    inline: list[JsonValue] | None = None
    if indexes[0] in inputs:
        inline = [inputs[index] for index in indexes]
        # Combinations of a matrix are bounded so that 25 of them stay below this.
        if part is not None and len(encode_json(inline)) > INLINE_INPUTS_MAX_BYTES:
            inline = None
    contiguous = indexes[-1] - indexes[0] == len(indexes) - 1
    return TaskMessage(
        job=job.job_id,
        gen=job.gen,
        attempt=attempt,
        start=indexes[0] if contiguous else None,
        stop=indexes[-1] + 1 if contiguous else None,
        indexes=None if contiguous else indexes,
        handler=job.handler,
        timeout_seconds=Policy.load(job.policy).timeout_seconds,
        inputs=inline,
        hold=True if job.max_running is not None else None,
        inputs_ref=(
            InputsRef(key=part.key, start=part.start)
            if part is not None and inline is None
            else None
        ),
    )


def _outgoing(job: Job, message: TaskMessage, delay_seconds: int) -> Outgoing:
    exclude = None if message.interruptions else {"interruptions"}
    body = message.model_dump_json(exclude_none=True, exclude=exclude)
    return Outgoing(body=body, group=message.job, lane=job.lane, delay_seconds=delay_seconds)


def send_tasks(deps: Deps, job: Job, attempts: Mapping[int, int], per_message: int) -> None:
    """Send tasks for the first time, inputs inside where they are small. Raises SendFailed.

    In the express lane one by one, so that no slot is held for longer than a task takes.
    """
    per_message = 1 if job.lane is Lane.EXPRESS else per_message
    plan = load_plan(deps, job)
    inputs = read_inputs(deps, plan, sorted(attempts))
    deps.queue.send(
        [
            _outgoing(job, _message(job, plan, indexes, attempt, inputs), 0)
            for indexes, attempt in group_tasks(plan, attempts, per_message)
        ]
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Again:
    """Tasks of one leaf and attempt that travel once more, in one message, after a delay (900 s at most)."""

    indexes: Sequence[int]
    attempt: int
    delay_seconds: int = 0
    interruptions: int = 0


def send_again(deps: Deps, job: Job, messages: Iterable[Again]) -> None:
    """Send tasks that were sent before, inputs by reference. Raises SendFailed.

    Such tasks are few: a reference saves the control plane from reading their inputs once more. Those that are
    combinations of a matrix are rendered.
    """
    plan, messages = load_plan(deps, job), list(messages)
    rendered = render_inputs(plan, {index for again in messages for index in again.indexes})
    deps.queue.send(
        [
            _outgoing(
                job,
                _message(job, plan, list(again.indexes), again.attempt, rendered).model_copy(
                    update={"interruptions": again.interruptions}
                ),
                again.delay_seconds,
            )
            for again in messages
        ]
    )
