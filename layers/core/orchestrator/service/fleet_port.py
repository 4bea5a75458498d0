"""The part of the store's port that is about workers: who lives, and what runs where."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from orchestrator.model.items import InputSchemas, Running, Worker

WORKER_SHARDS = 8
"""Partitions of workers: each is a part of what the sweep clears, and of the list."""


class FleetStore(Protocol):
    """Workers and what they run."""

    def put_worker(self, worker: Worker) -> Worker | None:
        """Write, but for an alive_since that stands, and return what stood there before."""
        ...

    def list_workers(self, now: datetime, limit: int, after: str | None) -> list[Worker]:
        """List workers that have not expired, in an order of the store's own, behind the id `after`
        (eventually consistent).
        """
        ...

    def list_gone_workers(self, shard: int, now: datetime, limit: int) -> list[str]:
        """List expired workers of one of WORKER_SHARDS parts (eventually consistent)."""
        ...

    def delete_gone_worker(self, worker_id: str, now: datetime) -> bool:
        """Delete a worker that has expired; False where it has not, or is gone."""
        ...

    def put_schemas(self, schemas: InputSchemas) -> None:
        """Write a set of schemas."""
        ...

    def get_schemas(self, digests: Sequence[str], now: datetime) -> dict[str, InputSchemas]:
        """Read sets of schemas by their digests; expired ones are left out (eventually consistent)."""
        ...

    def put_running(self, running: Running) -> None:
        """Write R#job of one worker."""
        ...

    def delete_running(self, job_id: str, worker_id: str) -> None:
        """Delete R#job of one worker."""
        ...

    def list_running(self, job_id: str, now: datetime) -> list[Running]:
        """List who runs what of a job, by one query; expired ones are left out."""
        ...

    def get_running(self, pairs: Sequence[tuple[str, str]], now: datetime) -> list[Running]:
        """Read what workers run of jobs, by (job_id, worker_id); expired ones are left out (eventually
        consistent).
        """
        ...
