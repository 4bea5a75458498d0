"""Plan a job whose tasks must be read or listed: in steps of a bounded time, each from where the last ended.

A step ends only where a part of the inputs does, and parts end where their content says. So the same
manifest makes the same parts whoever plans it, how often, and at which speed. A listing may change between
two looks; its parts are named by their content, and the first plan that JOB names is the job's.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from pydantic import BaseModel, ConfigDict

from orchestrator.errors import BadInput, ObjectChanged, ObjectForbidden
from orchestrator.model.sources import LISTED_BAD_LINES
from orchestrator.service.inputs import put_part
from orchestrator.service.inventory import list_objects, object_input
from orchestrator.service.manifest import ManifestRef, open_text
from orchestrator.service.manifest_lines import (
    InputCheck,
    Row,
    judge_inputs,
    reader_of,
    split_lines,
)
from orchestrator.service.ports import Deps
from orchestrator.spec import Part, PartWriter, Plan

STEP_SECONDS = 40.0
"""A step is to end within a minute; its last part may take some seconds more."""
RESERVE_SECONDS = 20.0
TEXT_MAX_BYTES = 4 * 1024**3
"""Of an unpacked manifest."""
STRETCH_MAX_BYTES = 64 * 1024 * 1024
"""A part ends after so much text, though few of its lines are tasks: so each step gets on."""
LISTED_BYTES = 1024
"""What a listed key counts as, against the same limit."""
_JSON = "application/json"


class BadLine(BaseModel):
    """A line that is no task: where its row begins, what is wrong, and how it begins."""

    model_config = ConfigDict(frozen=True, defer_build=True)

    line: int
    rule: str
    seen: str


class BadLines(BaseModel):
    """The bad lines of a manifest: how many, and the first 100. `all_read`: no more can be behind them."""

    model_config = ConfigDict(frozen=True, defer_build=True)

    count: int = 0
    all_read: bool = True
    lines: list[BadLine] = []


class Progress(BaseModel):
    """How far the steps have come: kept in S3 between them.

    `offset` and `line`: the manifest's byte and line (from 1) to go on at. `after`: the last key listed.
    """

    model_config = ConfigDict(defer_build=True)

    offset: int = 0
    line: int = 1
    columns: list[str] | None = None
    after: str = ""
    total: int = 0
    parts: list[Part] = []
    bad: int = 0
    bad_lines: list[BadLine] = []


def progress_key(job_id: str) -> str:
    """Return the data bucket's key of the steps' progress."""
    return f"jobs/{job_id}/planning.json"


def bad_lines_key(job_id: str) -> str:
    """Return the data bucket's key of a manifest's bad lines."""
    return f"jobs/{job_id}/bad-lines.json"


def load_progress(deps: Deps, job_id: str) -> Progress:
    """Return what earlier steps left, of this execution or of one before."""
    body = deps.data.get(progress_key(job_id))
    return Progress.model_validate_json(body) if body is not None else Progress()


@dataclass(slots=True)
class Step:
    """One step: the parts that it writes, and when its time is over."""

    deps: Deps
    job_id: str
    seconds_left: Callable[[], float]
    progress: Progress
    writer: PartWriter = field(init=False)
    stretch: int = 0
    over_at: float = field(init=False)

    def __post_init__(self) -> None:
        self.writer = PartWriter(self.progress.total)
        self.over_at = max(RESERVE_SECONDS, self.seconds_left() - STEP_SECONDS)

    def ends_before(self, line: bytes | None, size: int) -> bool:
        """Write the part where it ends before this line; tell whether the step's time is over then."""
        stretched = self.stretch + size > STRETCH_MAX_BYTES and self.stretch > 0
        if not stretched and (line is None or not self.writer.full_for(line)):
            self.stretch += size
            return False
        self.write_part()
        self.stretch = size
        return self.seconds_left() < self.over_at

    def add(self, line: bytes) -> None:
        """Add the input of the next task. Raises BadInput above the limit of tasks."""
        limit = self.deps.limits.tasks_per_job
        if self.writer.next_index >= limit:
            raise BadInput(f"there are more than {limit:,} tasks; submit several jobs")
        self.writer.add(line)

    def write_part(self) -> None:
        """Write what was gathered."""
        part = self.writer.take()
        if part is None:
            return
        number = len(self.progress.parts)
        self.progress.parts.append(put_part(self.deps, self.job_id, number, part))
        self.progress.total = part.stop

    def leave(self) -> None:
        """Keep the progress for the next step."""
        body = self.progress.model_dump_json().encode()
        self.deps.data.put(progress_key(self.job_id), body, _JSON)

    def done(self) -> Plan:
        """Return the plan, the last part written. Raises BadInput where there is no task."""
        self.write_part()
        if self.progress.total == 0:
            raise BadInput("there is no task in it")
        found = self.progress
        return Plan(total=found.total, parts=found.parts, bad_lines=found.bad)


def plan_manifest(
    deps: Deps,
    job_id: str,
    ref: ManifestRef,
    seconds_left: Callable[[], float],
    fault_of: InputCheck | None = None,
) -> Plan | None:
    """Read a manifest on; return the plan at its end, None where another step is needed. Raises BadInput.

    A line whose input has a fault is a bad line.
    """
    step = Step(deps, job_id, seconds_left, load_progress(deps, job_id))
    try:
        ended = _read(step, ref, fault_of)
    except ObjectChanged as error:
        raise BadInput(
            f"{ref.key} was changed or deleted after the submit; submit the job again"
        ) from error
    except ObjectForbidden as error:
        raise BadInput(f"{ref.key} may not be read by this stack") from error
    if step.progress.bad:
        _put_bad_lines(step, all_read=ended)
    if step.progress.bad and ref.on_bad_line == "reject":
        raise BadInput(_told(step.progress, ref, all_read=ended))
    return step.done() if ended else None


def _read(step: Step, ref: ManifestRef, fault_of: InputCheck | None) -> bool:
    """Read rows until the end, the step's time, or the hundredth bad line of a manifest to be rejected."""
    found, rejecting = step.progress, ref.on_bad_line == "reject"
    reader = reader_of(ref.format, found.columns)
    lines = split_lines(open_text(step.deps, ref, found.offset), found.line)
    for row in judge_inputs(reader.read(lines, whole=True), fault_of):
        if step.ends_before(row.text, row.size):
            found.columns = list(reader.columns) if reader.columns is not None else None
            step.leave()
            return False
        _count(step, row, keep=not (rejecting and found.bad))
        if rejecting and found.bad >= LISTED_BAD_LINES:
            return False
    return True


def _count(step: Step, row: Row, *, keep: bool) -> None:
    found = step.progress
    if row.fault is not None:
        found.bad += 1
        if len(found.bad_lines) < LISTED_BAD_LINES:
            found.bad_lines.append(BadLine(line=row.line, rule=row.fault, seen=row.seen))
    elif row.text is not None and keep:
        step.add(row.text)
    found.offset, found.line = found.offset + row.size, row.after
    if found.offset > TEXT_MAX_BYTES:
        raise BadInput(f"it has more than {TEXT_MAX_BYTES:,} bytes unpacked; submit several jobs")


def _put_bad_lines(step: Step, *, all_read: bool) -> None:
    found = step.progress
    lines = BadLines(count=found.bad, all_read=all_read, lines=found.bad_lines)
    body = lines.model_dump_json().encode()
    step.deps.data.put(bad_lines_key(step.job_id), body, _JSON)


def _told(found: Progress, ref: ManifestRef, *, all_read: bool) -> str:
    first, more = found.bad_lines[0], "" if all_read else " or more"
    lines = f"{found.bad}{more} bad line{'s' * (found.bad > 1)} in {ref.key}"
    return f"{lines}; line {first.line} {first.rule}"


def plan_objects(
    deps: Deps, job_id: str, pattern: str, seconds_left: Callable[[], float]
) -> Plan | None:
    """List objects on; return the plan at the end, None where another step is needed. Raises BadInput."""
    step = Step(deps, job_id, seconds_left, load_progress(deps, job_id))
    try:
        return step.done() if _list(step, pattern) else None
    except ObjectForbidden as error:
        raise BadInput(f"{pattern} may not be listed by this stack") from error


def _list(step: Step, pattern: str) -> bool:
    found = step.progress
    for item, wanted in list_objects(step.deps, pattern, found.after):
        line = object_input(item) if wanted else None
        if step.ends_before(line, LISTED_BYTES):
            step.leave()
            return False
        if line is not None:
            step.add(line)
        found.after = item.key
    return True
