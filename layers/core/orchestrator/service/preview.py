"""The first look at a submission's tasks: how many there are, some of them rendered, and what is bad."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Literal

from pydantic import JsonValue
from pydantic_core import from_json

from orchestrator.errors import BadInput
from orchestrator.model.container import input_check
from orchestrator.model.sources import LISTED_BAD_LINES, ManifestIn
from orchestrator.service.access import Caller
from orchestrator.service.inventory import PAGE, check_prefix, list_objects, object_input
from orchestrator.service.manifest import check_manifest
from orchestrator.service.manifest_lines import (
    InputCheck,
    Row,
    gunzip,
    judge_inputs,
    reader_of,
    split_lines,
)
from orchestrator.service.planning import BadLine, BadLines
from orchestrator.service.ports import Deps
from orchestrator.spec import SubmitJobIn, Tasks

SHOWN = 5
READ_MAX_BYTES = 4 * 1024 * 1024
"""Of a manifest's text: some three seconds of a function with a third of a core."""
LISTED_MAX = 10 * PAGE
_SLICE_BYTES = 64 * 1024

Certainty = Literal["exact", "estimate", "at_least"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What is known of the tasks without planning them; `fault` is why there would be no plan."""

    total: int
    total_is: Certainty
    tasks: Sequence[tuple[int, JsonValue]]
    bad_lines: BadLines | None = None
    fault: str | None = None


def preview(deps: Deps, caller: Caller, submission: SubmitJobIn) -> Preview:
    """Look at a submission's tasks within a bounded time. Raises InvalidField, as the submit would."""
    tasks = submission.tasks
    if tasks.manifest is not None:
        fault_of = input_check(submission.handler, submission.parameters)
        return _manifest(deps, caller, tasks.manifest, fault_of)
    if tasks.prefix is not None:
        check_prefix(deps, caller, tasks.prefix)
        return _objects(deps, tasks.prefix)
    total = tasks.total or 0
    return Preview(
        total=total,
        total_is="exact",
        tasks=[(index, _input(tasks, index)) for index in _spread(total)],
    )


def _spread(total: int) -> list[int]:
    """Return up to five indexes from the first to the last, evenly."""
    return sorted({(total - 1) * step // (SHOWN - 1) for step in range(SHOWN)})


def _input(tasks: Tasks, index: int) -> JsonValue:
    if tasks.items is not None:
        return tasks.items[index]
    matrix = tasks.combinations()
    if matrix is None:
        return None
    return matrix.render(index) if index < matrix.total else {**tasks.include[index - matrix.total]}


class _Counted:
    """A stream in small slices that tells how many bytes have left it."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks, self.count = chunks, 0

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self._chunks:
            for start in range(0, len(chunk), _SLICE_BYTES):
                part = chunk[start : start + _SLICE_BYTES]
                self.count += len(part)
                yield part


def _manifest(
    deps: Deps, caller: Caller, manifest: ManifestIn, fault_of: InputCheck | None
) -> Preview:
    lenient = manifest.model_copy(update={"on_bad_line": "skip"})  # Bad lines are to be listed.
    ref = check_manifest(deps, caller, lenient, fault_of)
    packed = _Counted(deps.sources.stream(ref.stored(), 0))
    rows: list[Row] = []
    whole, fault = False, None
    try:
        text, whole = _take(gunzip(packed) if ref.gzip else packed)
        read = reader_of(ref.format).read(split_lines([text]), whole=whole)
        rows.extend(judge_inputs(read, fault_of))
    except BadInput as error:
        fault = str(error)
    share = 1.0 if whole else packed.count / ref.size_bytes
    return _judged(rows, share, whole, fault, rejects=manifest.on_bad_line == "reject")


def _take(chunks: Iterable[bytes]) -> tuple[bytes, bool]:
    """Return the text up to a bound, and whether that is all of it."""
    held = bytearray()
    for chunk in chunks:
        held += chunk
        if len(held) > READ_MAX_BYTES:
            return bytes(held), False
    return bytes(held), True


def _judged(
    rows: Sequence[Row], share: float, whole: bool, fault: str | None, *, rejects: bool
) -> Preview:
    tasks = [row.text for row in rows if row.text is not None]
    bad = [row for row in rows if row.fault is not None]
    if fault is None and bad and rejects:
        fault = f"line {bad[0].line} {bad[0].fault}"
    if fault is None and whole and not tasks:
        fault = "there is no task in it"
    listed = [
        BadLine(line=row.line, rule=row.fault or "", seen=row.seen)
        for row in bad[:LISTED_BAD_LINES]
    ]
    return Preview(
        total=len(tasks) if whole else round(len(tasks) / share),
        total_is="exact" if whole else "estimate",
        tasks=[(index, from_json(text)) for index, text in enumerate(tasks[:SHOWN])],
        bad_lines=BadLines(count=len(bad), all_read=whole, lines=listed),
        fault=fault,
    )


def _objects(deps: Deps, pattern: str) -> Preview:
    seen = list(islice(list_objects(deps, pattern, ""), LISTED_MAX + 1))
    found = [item for item, wanted in seen[:LISTED_MAX] if wanted]
    whole = len(seen) <= LISTED_MAX
    return Preview(
        total=len(found),
        total_is="exact" if whole else "at_least",
        tasks=[(index, from_json(object_input(item))) for index, item in enumerate(found[:SHOWN])],
        fault="no object matches it" if whole and not found else None,
    )
