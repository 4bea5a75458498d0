"""What the audit answers: its wire types, and how a page of findings becomes one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from pydantic import BaseModel, ConfigDict

from orchestrator.errors import cut
from orchestrator.model.ids import LEAF_SIZE, NODE_LEAVES, leaf_of, leaf_range, offset_of, task_id
from orchestrator.model.items import Job
from orchestrator.model.progress import (
    STATE_OF_SET,
    Leaf,
    Node,
    Root,
    Tally,
    add_tallies,
    unpack_leaf,
)
from orchestrator.model.states import JobState, TaskState
from orchestrator.service.audit_kinds import KINDS, Finding, Place, Severity
from orchestrator.service.cursor import encode_cursor
from orchestrator.service.ports import Deps

FINDINGS_MAX = 100
TEXT_MAX_CHARS = 200
Verdict = Literal["clean", "in_progress", "violated"]
_ORDER: dict[Severity, int] = {"violation": 0, "lag": 1, "note": 2}


class _Out(BaseModel):
    model_config = ConfigDict(frozen=True, defer_build=True)


class AuditRange(_Out):
    """Tasks [start, stop)."""

    start: int
    stop: int


class AuditCounts(_Out):
    """The same tasks counted in four places, by state; `root` counts the whole job, the others this page."""

    rows: dict[TaskState, int]
    sets: dict[TaskState, int]
    node: dict[TaskState, int]
    root: dict[TaskState, int]


class FindingOut(_Out):
    """What was found, where, and what should be there; kinds are listed in docs/audit.md."""

    kind: str
    severity: Severity
    task_id: str | None = None
    leaf: int | None = None
    node: int | None = None
    expected: str
    found: str
    explanation: str


class AuditOut(_Out):
    """One page of an audit. The job's verdict is the worst of its pages': violated, in_progress, clean.

    `kinds` counts every finding, `findings` are the first 100, violations first.
    """

    job_id: str
    gen: int
    state: JobState
    total: int
    verdict: Verdict
    checked: AuditRange
    counts: AuditCounts
    kinds: dict[str, int]
    findings: list[FindingOut]
    next_cursor: str | None


@dataclass(slots=True)
class Page:
    """What one pass over leaves [start, stop) read and found."""

    job: Job
    root: Root
    start: int
    stop: int
    node: Node | None = None
    leaves: Mapping[int, Leaf] = field(default_factory=dict)
    rows: Counter[TaskState] = field(default_factory=Counter)
    findings: list[Finding] = field(default_factory=list)

    @property
    def violations(self) -> set[tuple[str, Place]]:
        """Return kind and place of each violation."""
        return {(f.kind, f.place) for f in self.findings if f.severity == "violation"}


def leaves_of(total: int) -> int:
    """Return how many leaves a job of `total` tasks has."""
    return leaf_of(total - 1) + 1 if total else 0


def answer(deps: Deps, page: Page, *, confirmed: bool) -> AuditOut:
    """Return a page as the API shows it; `confirmed`: what changed between two reads is none of it."""
    job, total = page.job, page.job.total or 0
    kinds = Counter(finding.kind for finding in page.findings)
    lagging = any(finding.severity == "lag" for finding in page.findings)
    settled = job.state.final and confirmed and not lagging
    more = page.stop < leaves_of(total)
    return AuditOut(
        job_id=job.job_id,
        gen=job.gen,
        state=job.state,
        total=total,
        verdict="violated" if page.violations else "clean" if settled else "in_progress",
        checked=AuditRange(start=page.start * LEAF_SIZE, stop=min(page.stop * LEAF_SIZE, total)),
        counts=_counts(page, total),
        kinds=dict(kinds.most_common()),
        findings=[
            _finding_view(job.job_id, finding)
            for finding in sorted(page.findings, key=lambda f: _ORDER[f.severity])[:FINDINGS_MAX]
        ],
        next_cursor=encode_cursor(deps.cursor_key(), ["audit", job.job_id], page.stop)
        if more
        else None,
    )


def _counts(page: Page, total: int) -> AuditCounts:
    sets: Counter[TaskState] = Counter()
    for number in range(page.start, page.stop):
        leaf = page.leaves.get(number) or Leaf()
        sets.update(leaf.state(offset_of(index)) for index in leaf_range(number, total))
    slots = (page.node or Node()).leaves
    node = add_tallies(
        unpack_leaf(slots.get(number % NODE_LEAVES, 0)).tally
        for number in range(page.start, page.stop)
    )
    size = min(page.stop * LEAF_SIZE, total) - page.start * LEAF_SIZE
    return AuditCounts(
        rows=dict(page.rows),
        sets=dict(sets),
        node=_by_state(node, size),
        root=_by_state(page.root.tally(), total),
    )


def _by_state(tally: Tally, size: int) -> dict[TaskState, int]:
    """Return a tally by state; what is left of `size` is pending."""
    counts = {state: getattr(tally, name) for name, state in STATE_OF_SET.items()}
    counts[TaskState.RETRYING] = tally.retrying
    counts[TaskState.PENDING] = size - tally.finals - tally.retrying
    return {state: count for state, count in counts.items() if count}


def _finding_view(job_id: str, finding: Finding) -> FindingOut:
    level, number = finding.place
    severity, explanation = KINDS[finding.kind]
    return FindingOut(
        kind=finding.kind,
        severity=severity,
        task_id=task_id(job_id, number) if level == "task" else None,
        leaf=number if level == "leaf" else None,
        node=number if level == "node" else None,
        expected=cut(finding.expected, TEXT_MAX_CHARS),
        found=cut(finding.found, TEXT_MAX_CHARS),
        explanation=explanation,
    )
