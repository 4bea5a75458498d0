"""Lambda handler of the sweep: called each minute, and for each execution that died."""

from __future__ import annotations

import re
from collections.abc import Mapping

from orchestrator import runtime
from orchestrator.runtime import CallContext, Event
from orchestrator.service.sweep import execution_ended, sweep

RESERVE_SECONDS = 20.0
"""Of the 60 s time-out: a sweep works for 40 s, and what it has begun then ends in time."""
_EXECUTION = re.compile(r"(?P<job_id>[0-9A-Z]{26})-(?P<gen>[1-9][0-9]*)-(?P<exec>[1-9][0-9]*)")


def handler(event: Event, context: CallContext) -> Mapping[str, object]:
    """Sweep, or restart what one ended execution left."""
    if event.get("source") == "aws.states":
        return _execution_ended(event["detail"], context)
    with runtime.call(context):
        return sweep(runtime.deps(), runtime.seconds_left(context, RESERVE_SECONDS))


def _execution_ended(detail: Event, context: CallContext) -> Mapping[str, object]:
    status = str(detail["status"])
    match = _EXECUTION.fullmatch(str(detail["name"]))
    if match is None:
        with runtime.call(context) as journal:
            journal.event("execution.foreign", execution=str(detail["name"])[:80], status=status)
        return {}
    job_id, gen, exec = match["job_id"], int(match["gen"]), int(match["exec"])
    with runtime.call(context, job_id=job_id, gen=gen, exec=exec) as journal:
        journal.event("execution.ended", status=status)
        execution_ended(runtime.deps(), job_id, gen, exec, status)
    return {}
