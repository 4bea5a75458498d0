"""API keys and workers."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from pydantic import TypeAdapter
from pynamodb.expressions.update import Action
from pynamodb.models import Model

from orchestrator.model.items import ApiKey, InputSchemas, Role, Running, Worker
from orchestrator.model.wire import RunningTask
from orchestrator.service.fleet_port import WORKER_SHARDS
from orchestrator.store.codec import RawItem, shard_of
from orchestrator.store.models import (
    Connection,
    KeyRow,
    RunningRow,
    SchemasRow,
    WorkerRow,
    bind,
)
from orchestrator.store.requests import batch_get, delete, dispatch, get, put


class PeopleStore:
    """Keys in the jobs table; workers and what they run in the workers table."""

    def __init__(self, connection: Connection) -> None:
        self._key = bind(KeyRow, connection.jobs_table, connection)
        self._worker = bind(WorkerRow, connection.workers_table, connection)
        self._running = bind(RunningRow, connection.workers_table, connection)
        self._schemas = bind(SchemasRow, connection.workers_table, connection)

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
        model = self._worker
        actions: list[Action] = [
            model.version.set(worker.version),
            model.slots.set(worker.slots),
            model.handlers.set(list(worker.handlers)),
            model.unknown_handlers.set(list(worker.unknown_handlers)),
            model.draining.set(worker.draining),
            model.jobs.set(sorted(worker.jobs)),
            model.running.set(worker.running),
            model.alive_since.set(model.alive_since | (worker.alive_since or worker.seen_at)),
            model.seen_at.set(worker.seen_at),
            model.expires_at.set(worker.expires_at),
            model.schemas_digest.set(worker.schemas_digest)
            if worker.schemas_digest is not None
            else model.schemas_digest.remove(),
        ]
        row = model(_worker_partition(worker.worker_id), worker.worker_id)
        request = row.get_update_kwargs_from_instance(actions)
        answer = dispatch(model, "UpdateItem", {**request, "ReturnValues": "ALL_OLD"})
        old = answer.get("Attributes")
        return _worker_value(model.from_raw_data(old)) if old else None

    def list_workers(self, now: datetime, limit: int, after: str | None) -> list[Worker]:
        """List the living by shard, then id. Expired rows cost their reading; the sweep keeps them few."""
        model, found = self._worker, list[Worker]()
        first = shard_of(after, WORKER_SHARDS) if after is not None else 0
        for shard in range(first, WORKER_SHARDS):
            if len(found) == limit:
                break
            behind = model.sk > after if after is not None and shard == first else None
            rows = model.query(
                f"W#{shard}",
                behind,
                filter_condition=model.expires_at > now,
                limit=limit - len(found),
            )
            found += map(_worker_value, rows)
        return found

    def list_gone_workers(self, shard: int, now: datetime, limit: int) -> list[str]:
        """List the expired ones of a shard."""
        gone = self._worker.expires_at <= now
        rows = self._worker.query(f"W#{shard}", filter_condition=gone, limit=limit)
        return [row.sk for row in rows]

    def delete_gone_worker(self, worker_id: str, now: datetime) -> bool:
        """Delete a worker whose heartbeat has not come back meanwhile."""
        row = self._worker(_worker_partition(worker_id), worker_id)
        return delete(row, self._worker.expires_at <= now)

    def put_schemas(self, schemas: InputSchemas) -> None:
        """Write a set of schemas in a partition of its own."""
        row = self._schemas(
            _schemas_partition(schemas.digest),
            schemas.digest,
            schemas=schemas.text,
            expires_at=schemas.expires_at,
        )
        put(row)

    def get_schemas(self, digests: Sequence[str], now: datetime) -> dict[str, InputSchemas]:
        """Read sets of schemas by batch; the table's own expiry may come days late."""
        keys = [(_schemas_partition(digest), digest) for digest in digests]
        raws = batch_get(self._schemas, keys, consistent=False)
        found = (_schemas_value(self._schemas.from_raw_data(raw)) for raw in raws)
        return {schemas.digest: schemas for schemas in found if schemas.expires_at > now}

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

    def get_running(self, pairs: Sequence[tuple[str, str]], now: datetime) -> list[Running]:
        """Read what workers run of jobs by batch."""
        keys = [(f"R#{job_id}", worker_id) for job_id, worker_id in pairs]
        raws = batch_get(self._running, keys, consistent=False)
        found = (_running_value(self._running.from_raw_data(raw)) for raw in raws)
        return [running for running in found if running.expires_at > now]


_TASKS = TypeAdapter(list[RunningTask])


def _worker_partition(worker_id: str) -> str:
    return f"W#{shard_of(worker_id, WORKER_SHARDS)}"


def _schemas_partition(digest: str) -> str:
    return f"SCHEMAS#{digest}"


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
        running=int(row.running or 0),
        alive_since=row.alive_since,
        schemas_digest=row.schemas_digest,
    )


def _schemas_value(row: SchemasRow) -> InputSchemas:
    assert row.expires_at is not None
    return InputSchemas(digest=row.sk, text=row.schemas, expires_at=row.expires_at)


def _running_value(row: RunningRow) -> Running:
    return Running(
        job_id=row.pk.removeprefix("R#"),
        worker_id=row.sk,
        tasks=tuple(_TASKS.validate_python(row.tasks)),
        seen_at=row.seen_at,
        expires_at=row.expires_at or row.seen_at,
    )
