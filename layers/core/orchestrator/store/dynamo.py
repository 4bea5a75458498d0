"""The store: the parts put together."""

from __future__ import annotations

from typing import Literal

from orchestrator.model.items import Job
from orchestrator.model.progress import Leaf
from orchestrator.store.codec import job_key, job_value, leaf_key, leaf_value
from orchestrator.store.flow import FlowStore
from orchestrator.store.holds import HoldsStore
from orchestrator.store.insight import InsightPoints
from orchestrator.store.jobs import JobsStore
from orchestrator.store.models import Connection
from orchestrator.store.people import PeopleStore
from orchestrator.store.progress import ProgressStore
from orchestrator.store.requests import get_together
from orchestrator.store.tasks import TasksStore


class DynamoStore(
    JobsStore, ProgressStore, TasksStore, FlowStore, HoldsStore, PeopleStore, InsightPoints
):
    """`orchestrator.service.ports.Store` on DynamoDB.

    `batches`: "partiql" sends rows by 25 in BatchExecuteStatement, a fifth of the round trips; "single" is
    for emulators that do not honour its conditions.
    """

    def __init__(
        self,
        *,
        jobs_table: str,
        tasks_table: str,
        workers_table: str,
        region: str,
        endpoint_url: str | None = None,
        batches: Literal["partiql", "single"] = "partiql",
    ) -> None:
        connection = Connection(
            jobs_table=jobs_table,
            tasks_table=tasks_table,
            workers_table=workers_table,
            region=region,
            endpoint_url=endpoint_url,
        )
        partiql = batches == "partiql"
        JobsStore.__init__(self, connection)
        ProgressStore.__init__(self, connection, partiql=partiql)
        TasksStore.__init__(self, connection, partiql=partiql)
        FlowStore.__init__(self, connection)
        HoldsStore.__init__(self, connection)
        PeopleStore.__init__(self, connection)
        InsightPoints.__init__(self, connection)

    def get_job_and_leaf(self, job_id: str, leaf: int) -> tuple[Job, Leaf | None] | None:
        """Read JOB and a leaf by one request."""
        keys = (job_key(job_id), "JOB"), leaf_key(job_id, leaf)
        found = get_together([(self._job, *keys[0]), (self._leaf, *keys[1])])
        if keys[0] not in found:
            return None
        raw = found.get(keys[1])
        job = job_value(self._job.from_raw_data(found[keys[0]]))
        return job, leaf_value(raw) if raw is not None else None
