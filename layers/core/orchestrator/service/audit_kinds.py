"""Kinds of audit findings, and what every check of an audit needs to know."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, NamedTuple

from orchestrator.model.items import Job

Severity = Literal["violation", "lag", "note"]
Place = tuple[Literal["job", "node", "leaf", "task"], int]

KINDS: dict[str, tuple[Severity, str]] = {
    "final_counts_differ": ("violation", "The job's last counts are not those of its sets."),
    "final_state_differs": ("violation", "The job's last state does not follow from its counts."),
    "job_not_complete": ("violation", "The job is final, and not every task is counted as ended."),
    "cursor_out_of_range": ("violation", "The cursor passes, or at the end misses, what is to be sent."),
    "ended_but_never_sent": ("violation", "More tasks have ended in this generation than were sent."),
    "manifest_missing": ("violation", "The job is final and has no manifest of results."),
    "manifest_differs": ("violation", "The manifest does not agree with the job."),
    "part_missing": ("violation", "A part of the results that the manifest names is not there."),
    "part_differs": ("violation", "A part of the results does not say of each task what its set says."),
    "orphan_node": ("violation", "ROOT counts a node, or a leaf is kept in one, beyond the last task."),
    "orphan_leaf": ("violation", "A leaf, or a node's count of one, lies beyond the last task."),
    "orphan_offset": ("violation", "A set holds a task beyond the last one."),
    "orphan_row": ("violation", "A row lies beyond the last task."),
    "count_too_big": ("violation", "A packed count is bigger than the number of tasks it counts."),
    "root_ahead": ("violation", "ROOT has a newer version of the node than the node itself."),
    "root_differs": ("violation", "ROOT does not count what the node counts."),
    "root_stale": ("violation", "The job is final, and ROOT never got the node's last version."),
    "node_ahead": ("violation", "The node has a newer version of the leaf than the leaf itself."),
    "node_differs": ("violation", "The node does not count what the leaf's sets hold."),
    "node_stale": ("violation", "The job is final, and the node never got the leaf's last version."),
    "sets_overlap": ("violation", "A task is in two final sets: it is counted twice."),
    "leaf_missing": ("violation", "The job is final, and a leaf was never closed: it is not there."),
    "leaf_not_closed": ("violation", "The job is final, and a leaf is open to reports."),
    "leaf_closed_early": ("violation", "A leaf is closed while tasks of it may still report."),
    "leaf_generation": ("violation", "The leaf is of a generation that the job's state rules out."),
    "ended_without_stop": ("violation", "Tasks are CANCELLED or SKIPPED, but nobody stopped the job."),
    "task_not_final": ("violation", "The job is final and this task is in no final set."),
    "row_missing": ("violation", "A set holds the task, which must then have a row."),
    "row_differs": ("violation", "The row says something that the set excludes."),
    "row_generation": ("violation", "The row's generation does not fit those of leaf and job."),
    "row_inconsistent": ("violation", "The row contradicts itself."),
    "two_commits": ("violation", "More than one run of the task was committed."),
    "lost_commit": ("violation", "The task ended well before the job was stopped, and is not counted so."),
    "root_behind": ("lag", "ROOT will get the node's newest version with the next push."),
    "node_behind": ("lag", "The node will get the leaf's newest version with the next push."),
    "row_ahead": ("lag", "The row is written and its set is not; the report's repetition adds it."),
    "reopening": ("lag", "A retry has opened the row; its leaf follows."),
    "late_commit": ("note", "The outcome came after its leaf was closed: the set wins."),
    "reopening_stopped": ("note", "A retry opened the row and was stopped before its leaf: the set wins."),
    "earlier_success": ("note", "A success of an earlier generation came late and was not counted."),
    "expired": ("note", "Items of this age may have been deleted; they were not compared."),
    "part_not_read": ("note", "The part of the results is too large to be read here."),
}  # fmt: skip
"""Each kind of finding: how bad it is, and what it means."""


class Finding(NamedTuple):
    """One observation: `place` names the job, a node, a leaf or a task by number."""

    kind: str
    place: Place
    expected: str
    found: str

    @property
    def severity(self) -> Severity:
        """Return how bad it is."""
        return KINDS[self.kind][0]


@dataclass(frozen=True, slots=True)
class Facts:
    """What every check needs to know of the job."""

    job: Job
    now: datetime
    retention: timedelta

    @property
    def total(self) -> int:
        """Return how many tasks there are; 0 until it is known."""
        return self.job.total or 0

    @property
    def final(self) -> bool:
        """Tell whether the job has ended."""
        return self.job.state.final

    @property
    def expired(self) -> bool:
        """Tell whether DynamoDB may have deleted the job's first items: absence then proves nothing."""
        return self.now >= self.job.created_at + self.retention


def expired(place: Place) -> Finding:
    """Return what is said of an item that is absent and may have been deleted for its age."""
    return Finding("expired", place, "an item", "none, and it may have expired")
