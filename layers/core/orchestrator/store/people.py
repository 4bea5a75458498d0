"""API keys and workers."""

from __future__ import annotations

from datetime import datetime

from pydantic import TypeAdapter
from pynamodb.models import Model

from orchestrator.model.items import ApiKey, Role, Running, Worker
from orchestrator.model.wire import RunningTask
from orchestrator.store.codec import RawItem, shard_of
from orchestrator.store.models import Connection, KeyRow, RunningRow, WorkerRow, bind
from orchestrator.store.requests import dispatch, get, put

_WORKER_SHARDS = 8


class PeopleStore:
    """Keys in the jobs table; workers and what they run in the workers table."""

    def __init__(self, connection: Connection) -> None:
        self._key = bind(KeyRow, connection.jobs_table, connection)
        self._worker = bind(WorkerRow, connection.workers_table, connection)
        self._running = bind(RunningRow, connection.workers_table, connection)

    def put_key(self, key: ApiKey) -> None:
        """Write a key."""
        put(
            self._key(
                "KEYS",
                key.key_id,
                name=key.name,
                tenant=key.tenant,
                role=key.role.value,
                secret_hash=key.secret_hash,
                created_at=key.created_at,
                created_by=key.created_by,
                expires_at=key.expires_at,
            )
        )

    def get_key(self, key_id: str) -> ApiKey | None:
        """Read a key."""
        row = get(self._key, "KEYS", key_id, consistent=False)
        return _key_value(row) if row is not None else None

    def list_keys(self) -> list[ApiKey]:
        """List all keys."""
        return [_key_value(row) for row in self._key.query("KEYS", consistent_read=True)]

    def delete_key(self, key_id: str) -> bool:
        """Delete a key."""
        return _delete(self._key, "KEYS", key_id) is not None

    def put_worker(self, worker: Worker) -> Worker | None:
        """Write a worker, return what stood there."""
        shard = shard_of(worker.worker_id, _WORKER_SHARDS)
        row = self._worker(
            f"W#{shard}",
            worker.worker_id,
            version=worker.version,
            slots=worker.slots,
            handlers=list(worker.handlers),
            unknown_handlers=list(worker.unknown_handlers),
            draining=worker.draining,
            jobs=sorted(worker.jobs),
            seen_at=worker.seen_at,
            expires_at=worker.expires_at,
        )
        request = {**row.get_save_kwargs_from_instance(), "ReturnValues": "ALL_OLD"}
        old = dispatch(self._worker, "PutItem", request).get("Attributes")
        return _worker_value(self._worker.from_raw_data(old)) if old else None

    def put_running(self, running: Running) -> None:
        """Write what a worker runs of a job."""
        put(
            self._running(
                f"R#{running.job_id}",
                running.worker_id,
                tasks=_TASKS.dump_python(list(running.tasks), mode="json", exclude_none=True),
                seen_at=running.seen_at,
                expires_at=running.expires_at,
            )
        )

    def delete_running(self, job_id: str, worker_id: str) -> None:
        """Delete what a worker ran of a job."""
        _delete(self._running, f"R#{job_id}", worker_id)

    def list_running(self, job_id: str, now: datetime) -> list[Running]:
        """List who runs what of a job by one query; the table's own expiry may come days late."""
        return [
            _running_value(row)
            for row in self._running.query(f"R#{job_id}", consistent_read=True)
            if row.expires_at is not None and row.expires_at > now
        ]


_TASKS = TypeAdapter(list[RunningTask])


def _delete(model: type[Model], pk: str, sk: str) -> RawItem | None:
    request = {
        "TableName": model.Meta.table_name,
        "Key": {"pk": {"S": pk}, "sk": {"S": sk}},
        "ReturnValues": "ALL_OLD",
    }
    return dispatch(model, "DeleteItem", request).get("Attributes")


def _key_value(row: KeyRow) -> ApiKey:
    return ApiKey(
        key_id=row.sk,
        name=row.name,
        tenant=row.tenant,
        role=Role(row.role),
        secret_hash=row.secret_hash,
        created_at=row.created_at,
        created_by=row.created_by,
        expires_at=row.expires_at,
    )


def _worker_value(row: WorkerRow) -> Worker:
    return Worker(
        worker_id=row.sk,
        version=row.version,
        slots=int(row.slots),
        handlers=tuple(row.handlers),
        unknown_handlers=tuple(row.unknown_handlers),
        draining=row.draining,
        jobs=frozenset(row.jobs),
        seen_at=row.seen_at,
        expires_at=row.expires_at or row.seen_at,
    )


def _running_value(row: RunningRow) -> Running:
    return Running(
        job_id=row.pk.removeprefix("R#"),
        worker_id=row.sk,
        tasks=tuple(_TASKS.validate_python(row.tasks)),
        seen_at=row.seen_at,
        expires_at=row.expires_at or row.seen_at,
    )
