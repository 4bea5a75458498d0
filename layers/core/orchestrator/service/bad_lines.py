"""The bad lines of a job's manifest, as the plan has listed them."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from orchestrator.model.states import JobState
from orchestrator.service.access import Caller, own_job
from orchestrator.service.planning import BadLine, BadLines, bad_lines_key
from orchestrator.service.ports import Deps


class BadLinesOut(BaseModel):
    """Lines of the manifest that are no tasks: how many were found, and the first 100 of them.

    `all_read` false: the plan is not at the manifest's end yet, or stopped at the hundredth. A job without a
    manifest has none.
    """

    model_config = ConfigDict(frozen=True, defer_build=True)

    job_id: str
    state: JobState
    count: int
    all_read: bool
    lines: list[BadLine]


def read_bad_lines(deps: Deps, caller: Caller, job_id: str) -> BadLinesOut:
    """Return the bad lines of a job's manifest. Raises NotFound."""
    job, _ = own_job(deps, caller, job_id)
    body = deps.data.get(bad_lines_key(job_id))
    found = BadLines.model_validate_json(body) if body is not None else BadLines()
    planned = job.state.final or job.plan_ref is not None
    return BadLinesOut(
        job_id=job_id,
        state=job.state,
        count=found.count,
        all_read=found.all_read and planned,
        lines=found.lines,
    )
