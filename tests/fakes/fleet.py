"""Workers and what they run, in memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from orchestrator.model.items import InputSchemas, Running, Worker
from tests.fakes.conditions import worker_order
from tests.fakes.hooks import write


class MemoryFleet:
    """`orchestrator.service.fleet_port.FleetStore` in memory; needs the hooks of `Hooked` beside it."""

    def __init__(self) -> None:
        self.workers: dict[str, Worker] = {}
        self.running: dict[tuple[str, str], Running] = {}
        self.schemas: dict[str, InputSchemas] = {}

    @write
    def put_worker(self, worker: Worker) -> Worker | None:
        before = self.workers.get(worker.worker_id)
        since = before.alive_since if before is not None else None
        since = since or worker.alive_since or worker.seen_at
        self.workers[worker.worker_id] = replace(worker, alive_since=since)
        return before

    def list_workers(self, now: datetime, limit: int, after: str | None) -> list[Worker]:
        alive = [w for w in list(self.workers.values()) if w.expires_at > now]
        order = sorted(alive, key=lambda worker: worker_order(worker.worker_id))
        behind = [
            w for w in order if after is None or worker_order(w.worker_id) > worker_order(after)
        ]
        return behind[:limit]

    def list_gone_workers(self, shard: int, now: datetime, limit: int) -> list[str]:
        return [
            worker.worker_id
            for worker in list(self.workers.values())
            if worker.expires_at <= now and worker_order(worker.worker_id)[0] == shard
        ][:limit]

    @write
    def delete_gone_worker(self, worker_id: str, now: datetime) -> bool:
        worker = self.workers.get(worker_id)
        if worker is None or worker.expires_at > now:
            return False
        del self.workers[worker_id]
        return True

    @write
    def put_schemas(self, schemas: InputSchemas) -> None:
        self.schemas[schemas.digest] = schemas

    def get_schemas(self, digests: Sequence[str], now: datetime) -> dict[str, InputSchemas]:
        found = (self.schemas.get(digest) for digest in digests)
        return {item.digest: item for item in found if item is not None and item.expires_at > now}

    @write
    def put_running(self, running: Running) -> None:
        self.running[running.job_id, running.worker_id] = running

    @write
    def delete_running(self, job_id: str, worker_id: str) -> None:
        self.running.pop((job_id, worker_id), None)

    def list_running(self, job_id: str, now: datetime) -> list[Running]:
        return [
            item
            for (job, _), item in list(self.running.items())
            if job == job_id and item.expires_at > now
        ]

    def get_running(self, pairs: Sequence[tuple[str, str]], now: datetime) -> list[Running]:
        found = (self.running.get(pair) for pair in dict.fromkeys(pairs))
        return [item for item in found if item is not None and item.expires_at > now]
