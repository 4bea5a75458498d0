"""Items and worlds for tests of the store."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import cast

from ulid import ULID

from orchestrator.model.items import (
    AttemptEnd,
    Job,
    TaskRow,
)
from orchestrator.model.states import JobState, Outcome, TaskState
from orchestrator.model.wire import TaskError
from orchestrator.service.ports import Store
from tests.fakes.store import MemoryStore
from tests.fakes.world import World

NOW = datetime(2030, 1, 1, 12, 0, 0, 123_000, tzinfo=UTC)
LATER = datetime(2031, 1, 1, tzinfo=UTC)


def make_job(job_id: str, **changes: object) -> Job:
    job = Job(
        job_id=job_id,
        tenant=f"t-{job_id}",
        name="näme",
        handler="echo",
        state=JobState.CREATED,
        policy="{}",
        created_by="k",
        request_id="r",
        created_at=NOW,
        expires_at=LATER,
        tags={"a": "b"},
        next_check_at=NOW,
        total=7,
    )
    return replace(job, **changes)  # type: ignore[arg-type]


def make_end(attempt: int = 1, error: TaskError | None = None) -> AttemptEnd:
    return AttemptEnd(
        attempt=attempt,
        run_id="01JABCDEFGHJKMNPQRSTVWXYZ0",
        outcome=Outcome.FAILED if error else Outcome.SUCCEEDED,
        at=NOW,
        worker="worker-1",
        started_at=NOW - timedelta(seconds=3),
        duration_ms=3000,
        error=error,
    )


def make_row(job_id: str, index: int, **changes: object) -> TaskRow:
    row = TaskRow(
        job_id=job_id,
        index=index,
        state=TaskState.SUCCEEDED,
        gen=1,
        attempt=1,
        expires_at=LATER,
        last=make_end(),
        result='{"n":1}',
    )
    return replace(row, **changes)  # type: ignore[arg-type]


def a_world(store: Store, job_id: str) -> World:
    """Return a world around a store; its first job has an id that no other test has."""
    world = World(store=cast(MemoryStore, store))
    ids = iter([job_id])
    world.deps = replace(world.deps, new_id=lambda: next(ids, str(ULID())))
    return world
