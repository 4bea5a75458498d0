"""The list of a tenant's jobs, also of those with a name or tags. A page reads a bounded number of jobs."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass

from orchestrator.errors import InvalidCursor
from orchestrator.model.items import Job
from orchestrator.model.progress import Root
from orchestrator.model.states import JobState
from orchestrator.service.access import Caller
from orchestrator.service.cursor import decode_cursor, encode_cursor
from orchestrator.service.ports import Deps
from orchestrator.service.views import JobPage, job_view

SEARCHED_MAX = 500
"""Jobs that a page with a filter looks at: ten batches; what is behind them is the next page's."""
_AT_ONCE = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFilter:
    """Which jobs are listed. `name`: a part of it, in any case. Each of `tags` is "key:value" or "key"."""

    state: JobState | None = None
    name: str | None = None
    tags: tuple[str, ...] = ()

    def matches(self, job: Job) -> bool:
        """Tell whether a job (of the state that was asked for) has the name and all the tags."""
        if self.name is not None and self.name.casefold() not in job.name.casefold():
            return False
        known = {*job.tags, *(f"{key}:{value}" for key, value in job.tags.items())}
        return known.issuperset(self.tags)

    def fingerprint(self) -> str:
        """Return what a cursor keeps of name and tags, however long they are."""
        text = json.dumps([self.name, *sorted(self.tags)])
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    @property
    def is_plain(self) -> bool:
        """Tell whether an index alone answers it."""
        return self.name is None and not self.tags


def list_jobs(
    deps: Deps, caller: Caller, wanted: JobFilter, *, limit: int, cursor: str | None
) -> JobPage:
    """List the tenant's jobs, newest first. Raises InvalidCursor.

    A page with a filter may hold fewer jobs than match, even none: only a null cursor is the end.
    """
    owner = ["jobs", caller.tenant, wanted.state]
    if not wanted.is_plain:
        owner.append(wanted.fingerprint())
    before = decode_cursor(deps.cursor_key(), owner, cursor) if cursor is not None else None
    if isinstance(before, int):
        raise InvalidCursor("the cursor comes from another list")
    found, last = _search(deps, caller.tenant, wanted, limit, before)
    now = deps.now()
    return JobPage(
        jobs=[job_view(job, root, now) for job, root in found],
        next_cursor=encode_cursor(deps.cursor_key(), owner, last) if last is not None else None,
    )


type _Found = list[tuple[Job, Root]]


def _search(
    deps: Deps, tenant: str, wanted: JobFilter, limit: int, before: str | None
) -> tuple[_Found, str | None]:
    """Return up to `limit` jobs that match, and the last one looked at where there are more behind it."""
    found: _Found = []
    for _ in range(SEARCHED_MAX // _AT_ONCE):
        size = limit if wanted.is_plain else _AT_ONCE
        ids = deps.store.list_job_ids(tenant, wanted.state, size + 1, before)
        for job_id, pair in _read(deps, ids[:size]):
            before = job_id
            if pair is not None and wanted.matches(pair[0]):
                found.append(pair)
            if len(found) == limit:
                break
        if len(found) == limit or wanted.is_plain or len(ids) <= size:
            more = ids[-1:] != [before] if ids else False
            return found, before if more else None
    return found, before


def _read(deps: Deps, ids: Sequence[str]) -> list[tuple[str, tuple[Job, Root] | None]]:
    """Return each id with its job; one that has expired meanwhile is None."""
    known = {job.job_id: (job, root) for job, root in deps.store.get_jobs_and_roots(ids)}
    return [(job_id, known.get(job_id)) for job_id in ids]
