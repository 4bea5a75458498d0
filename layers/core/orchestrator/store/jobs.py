"""JOB, ROOT and the lists of jobs."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Unpack

from pynamodb.expressions.condition import Condition
from pynamodb.expressions.update import Action

from orchestrator.model.items import Idem, Job
from orchestrator.model.progress import Root
from orchestrator.model.states import JobState
from orchestrator.service.ports import JobChanges, JobGuard
from orchestrator.store.codec import (
    ACTIVE_SHARDS,
    active_index,
    job_item,
    job_key,
    job_value,
    pack_counts,
    pack_event,
    pack_stop,
    pack_usage,
    root_value,
    state_index,
)
from orchestrator.store.models import Connection, IdemRow, JobRow, RootRow, SweepRow, bind
from orchestrator.store.requests import absent, batch_get, get, get_raw, put, query_raw, update


class JobsStore:
    """The jobs table: JOB, ROOT, IDEM and the sweep's cursor."""

    def __init__(self, connection: Connection) -> None:
        table = connection.jobs_table
        self._job = bind(JobRow, table, connection)
        self._root = bind(RootRow, table, connection)
        self._idem = bind(IdemRow, table, connection)
        self._sweep = bind(SweepRow, table, connection)

    def put_job(self, job: Job) -> bool:
        """Create JOB; False where it is there."""
        done, _ = put(job_item(self._job, job), absent(self._job))
        return done

    def get_job(self, job_id: str) -> Job | None:
        """Read JOB."""
        row = get(self._job, job_key(job_id), "JOB")
        return job_value(row) if row is not None else None

    def get_job_and_root(self, job_id: str) -> tuple[Job, Root] | None:
        """Read JOB and ROOT by one query."""
        items = {raw["sk"]["S"]: raw for raw in query_raw(self._job, job_key(job_id))}
        if "JOB" not in items:
            return None
        return job_value(self._job.from_raw_data(items["JOB"])), root_value(items.get("ROOT"))

    def get_jobs_and_roots(self, job_ids: Sequence[str]) -> list[tuple[Job, Root]]:
        """Read jobs by batch."""
        keys = [(job_key(job_id), sk) for job_id in job_ids for sk in ("JOB", "ROOT")]
        jobs: dict[str, Job] = {}
        roots: dict[str, Root] = {}
        for raw in batch_get(self._job, keys, consistent=False):
            if raw["sk"]["S"] == "JOB":
                job = job_value(self._job.from_raw_data(raw))
                jobs[job.job_id] = job
            else:
                roots[raw["pk"]["S"].removeprefix("J#")] = root_value(raw)
        return [(jobs[key], roots.get(key, Root())) for key in job_ids if key in jobs]

    def update_job(self, job_id: str, guard: JobGuard, **changes: Unpack[JobChanges]) -> Job | None:
        """Change JOB where `guard` holds; None where not."""
        values: dict[str, Any] = {**changes}
        actions = [
            action
            for name, value in values.items()
            for action in self._actions(job_id, name, value)
        ]
        if "state" in changes:
            tenant = self._tenant_of(job_id)
            if tenant is None:
                return None
            actions.append(self._job.tenant_state.set(state_index(tenant, changes["state"])))
        row = self._job(job_key(job_id), "JOB")
        done, item = update(row, actions, self._holds(guard))
        return job_value(self._job.from_raw_data(item)) if done and item is not None else None

    def _tenant_of(self, job_id: str) -> str | None:
        """Read the tenant: it never changes, and the state's index is keyed by it."""
        row = get(self._job, job_key(job_id), "JOB", consistent=False)
        row = row or get(self._job, job_key(job_id), "JOB")
        return row.tenant if row is not None else None

    def _actions(self, job_id: str, name: str, value: Any) -> list[Action]:
        packed = value
        if name == "happened":
            events = self._job.events
            return [events.set((events | []).append([pack_event(value)]))]
        if name == "state":
            active = active_index(job_id, value)
            packed = value.value
            extra = [self._set("active", active)]
        else:
            extra = []
        if name == "stop":
            packed = pack_stop(value)
        elif name == "final_counts":
            packed = pack_counts(value)
        elif name == "lane":
            packed = value.value
        elif name == "usage":
            packed = pack_usage(value)
        elif name == "events":
            packed = [pack_event(event) for event in value]
        return [self._set(name, packed), *extra]

    def _set(self, name: str, value: Any) -> Action:
        attribute = getattr(self._job, name)
        action: Action = attribute.remove() if value is None else attribute.set(value)
        return action

    def _holds(self, guard: JobGuard) -> Condition:
        model = self._job
        condition: Condition = model.pk.exists()
        if guard.gen is not None:
            condition &= model.gen == guard.gen
        if guard.exec is not None:
            condition &= model.exec == guard.exec
        if guard.cursor is not None:
            condition &= model.cursor == guard.cursor
        if guard.states is not None:
            condition &= model.state.is_in(*sorted(state.value for state in guard.states))
        if guard.next_check_at is not None:
            condition &= model.next_check_at == guard.next_check_at
        if guard.unplanned:
            condition &= model.plan_ref.does_not_exist()
        if guard.unasked_at is not None:
            asked = model.asked_until
            condition &= asked.does_not_exist() | (asked <= guard.unasked_at)
        return condition

    def list_job_ids(
        self, tenant: str, state: JobState | None, limit: int, before: str | None
    ) -> list[str]:
        """List a tenant's jobs, newest first."""
        if state is None:
            older = self._job.job_id < before if before is not None else None
            rows = self._job.by_tenant.query(tenant, older, scan_index_forward=False, limit=limit)
        else:
            older = self._job.job_id < before if before is not None else None
            rows = self._job.by_state.query(
                state_index(tenant, state), older, scan_index_forward=False, limit=limit
            )
        return [row.pk.removeprefix("J#") for row in rows]

    def list_unsent(self, tenant: str, first: int, last: int, limit: int) -> list[str]:
        """List a tenant's jobs with unsent tasks, the highest priorities first."""
        among = self._job.priority.between(first, last)
        rows = self._job.by_priority.query(tenant, among, scan_index_forward=False, limit=limit)
        return [row.pk.removeprefix("J#") for row in rows]

    def list_due_jobs(self, now: datetime, limit: int) -> list[str]:
        """List non-final jobs whose next check has come, the longest overdue first."""
        due = self._job.next_check_at <= now
        rows = [
            (row.next_check_at, row.pk.removeprefix("J#"))
            for shard in range(ACTIVE_SHARDS)
            for row in self._job.by_check.query(f"A#{shard}", due, limit=limit)
        ]
        return [job_id for _, job_id in sorted(rows)[:limit]]

    def get_root(self, job_id: str) -> Root:
        """Read ROOT."""
        return root_value(get_raw(self._root, job_key(job_id), "ROOT"))

    def push_node(
        self, job_id: str, node: int, packed: int, now: datetime, expires_at: datetime
    ) -> Root:
        """Set nNN where absent or smaller."""
        model = self._root
        field = getattr(model, f"n{node:02d}")
        _, item = update(
            model(job_key(job_id), "ROOT"),
            [
                field.set(packed),
                model.pushed_at.set(now),
                model.pushes.add(1),
                model.expires_at.set(expires_at),
            ],
            field.does_not_exist() | (field < packed),
        )
        return root_value(item)

    def set_running(
        self, job_id: str, first: int, retry: int, as_of: datetime, if_before: datetime
    ) -> bool:
        """Set ROOT.running_* where older than `if_before`."""
        model = self._root
        done, _ = update(
            model(job_key(job_id), "ROOT"),
            [
                model.running_first.set(first),
                model.running_retry.set(retry),
                model.running_as_of.set(as_of),
            ],
            model.running_as_of.does_not_exist() | (model.running_as_of < if_before),
        )
        return done

    def put_idem(self, idem: Idem) -> Idem:
        """Create, or return the one that is there."""
        row = self._idem(
            f"I#{idem.key}",
            "IDEM",
            job_id=idem.job_id,
            body_hash=idem.body_hash,
            from_gen=idem.from_gen,
            expires_at=idem.expires_at,
        )
        done, item = put(row, absent(self._idem))
        if done:
            return idem
        stood = self._idem.from_raw_data(item) if item is not None else None
        stood = stood or self._idem.get(f"I#{idem.key}", "IDEM", consistent_read=True)
        return Idem(
            key=idem.key,
            job_id=stood.job_id,
            body_hash=stood.body_hash,
            from_gen=int(stood.from_gen),
            expires_at=stood.expires_at or idem.expires_at,
        )

    def get_sweep_minute(self) -> int | None:
        """Read the sweep's cursor."""
        row = get(self._sweep, "SWEEP", "CURSOR")
        return int(row.minute) if row is not None else None

    def put_sweep_minute(self, minute: int) -> None:
        """Write the sweep's cursor."""
        put(self._sweep("SWEEP", "CURSOR", minute=minute))
