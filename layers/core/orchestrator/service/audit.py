"""Audit of a job: rows against sets against nodes against ROOT against totals, a page of leaves at a time.

A page costs one query for JOB and ROOT, one read of a node, one query of its leaves, and one query of rows a
leaf; the page that begins a node reads the manifest and the node's part of the results too. What looks like
a violation is read once more before it is called one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import timedelta

from orchestrator.errors import FieldError, InvalidCursor, InvalidField
from orchestrator.model.ids import NODE_LEAVES, leaf_of, leaf_range, leaves_of_node, node_of_leaf
from orchestrator.model.items import Job
from orchestrator.model.progress import Leaf
from orchestrator.service.access import Caller, own_job
from orchestrator.service.audit_kinds import Facts, Finding
from orchestrator.service.audit_results import check_manifest, check_part, read_manifest
from orchestrator.service.audit_rows import check_task
from orchestrator.service.audit_tree import check_job, check_leaf, check_leaf_count, check_node
from orchestrator.service.audit_views import AuditOut, Page, answer, leaves_of
from orchestrator.service.cursor import decode_cursor
from orchestrator.service.ports import Deps

PAGE_TIME = timedelta(seconds=10)
"""A page ends early after this: read twice, it is still within the 29 s of the function and the gateway."""


def audit_job(
    deps: Deps,
    caller: Caller,
    job_id: str,
    *,
    first: int | None,
    limit: int,
    cursor: str | None,
) -> AuditOut:
    """Check up to `limit` leaves of one node (at most 64: 16,000 tasks): from `first`, cursor or start.

    Raises NotFound, InvalidCursor, InvalidField (first is no task of the job, or came with a cursor).
    """
    page = _pass(deps, caller, job_id, _begin(deps, job_id, first, cursor), limit)
    if not page.violations:
        return answer(deps, page, confirmed=True)
    again = _pass(deps, caller, job_id, page.start, max(page.stop - page.start, 1))
    both = page.violations & again.violations
    passing = again.violations - (both if _stood_still(deps, again.job) else set())
    again.findings = [f for f in again.findings if (f.kind, f.place) not in passing]
    return answer(deps, again, confirmed=not passing)


def _stood_still(deps: Deps, job: Job) -> bool:
    """Tell whether the job is still as it was before its leaves were read: not ended or retried meanwhile."""
    now = deps.store.get_job(job.job_id)
    return now is not None and (now.gen, now.state) == (job.gen, job.state)


def _begin(deps: Deps, job_id: str, first: int | None, cursor: str | None) -> int:
    """Return the leaf to begin at."""
    if cursor is None:
        return leaf_of(first or 0)
    if first is not None:
        rule = "cannot be given with a cursor"
        raise InvalidField(f"first {rule}", fields=[FieldError("first", rule, str(first))])
    begin = decode_cursor(deps.cursor_key(), ["audit", job_id], cursor)
    if isinstance(begin, str):
        raise InvalidCursor("the cursor comes from another list")
    return begin


def _pass(deps: Deps, caller: Caller, job_id: str, start: int, limit: int) -> Page:
    """Read and compare once, from the top down."""
    job, root = own_job(deps, caller, job_id)
    facts = Facts(job, deps.now(), deps.retention)
    number = node_of_leaf(start)
    inside = leaves_of_node(number, facts.total)
    if start not in inside and (start or facts.total):
        rule = f"must be below {facts.total}, the number of tasks"
        raise InvalidField(f"first {rule}", fields=[FieldError("first", rule)])
    page = Page(job, root, start, min(start + limit, inside.stop))
    if start == 0:
        page.findings += check_job(facts, root)
    if facts.total:
        page.node = deps.store.get_nodes(job_id, [number]).get(number)
        page.leaves = deps.store.get_node_leaves(job_id, number)
        page.findings += _check_tree(facts, page, number)
        _check_leaves(deps, facts, page)
        page.findings += _check_beyond(deps, facts, page, number)
        page.findings += _check_results(deps, facts, page, number)
    return page


def _check_tree(facts: Facts, page: Page, number: int) -> Iterator[Finding]:
    yield from check_node(facts, page.root, number, page.node)
    for leaf in sorted(page.leaves.keys() - set(leaves_of_node(number, facts.total))):
        yield Finding("orphan_leaf", ("leaf", leaf), "no such leaf", "a leaf")


def _check_leaves(deps: Deps, facts: Facts, page: Page) -> None:
    """Compare leaves and their rows until the page's end, or until its time is over."""
    for number in range(page.start, page.stop):
        leaf = page.leaves.get(number)
        page.findings += check_leaf_count(facts, page.node, number, leaf)
        page.findings += check_leaf(facts, number, leaf)
        rows = deps.store.get_leaf_tasks(facts.job.job_id, number)
        page.rows.update(row.state for row in rows.values())
        indexes = leaf_range(number, facts.total)
        for index in indexes if leaf is not None or not facts.expired else ():
            page.findings += check_task(facts, leaf or Leaf(), index, rows.get(index))
        page.findings += _orphans(sorted(rows.keys() - set(indexes)))
        if deps.now() - facts.now >= PAGE_TIME:
            page.stop = number + 1
            return


def _orphans(indexes: Iterable[int]) -> Iterator[Finding]:
    for index in indexes:
        yield Finding("orphan_row", ("task", index), "no such task", "a row")


def _check_beyond(deps: Deps, facts: Facts, page: Page, number: int) -> Iterator[Finding]:
    """Look one leaf and one node beyond the job's last: what is lost further out, nobody finds or counts."""
    if page.stop != leaves_of(facts.total):
        return
    job_id, after = facts.job.job_id, number + 1
    yield from _orphans(deps.store.get_leaf_tasks(job_id, page.stop))
    for leaf in deps.store.get_node_leaves(job_id, after):
        yield Finding("orphan_leaf", ("leaf", leaf), "no such leaf", "a leaf")
    for node in deps.store.get_nodes(job_id, [after]):
        yield Finding("orphan_node", ("node", node), "no such node", "a node")


def _check_results(deps: Deps, facts: Facts, page: Page, number: int) -> Iterator[Finding]:
    """Hold the manifest, and the part of the node that this page begins, to counts and sets."""
    if not facts.final or page.start % NODE_LEAVES:
        return
    manifest = read_manifest(deps, facts)
    if page.start == 0:
        yield from check_manifest(facts, manifest)
    if manifest is not None:
        yield from check_part(deps, facts, manifest, number, page.leaves)
