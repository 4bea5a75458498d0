"""The store: the parts put together."""

from __future__ import annotations

from typing import Literal

from orchestrator.store.flow import FlowStore
from orchestrator.store.jobs import JobsStore
from orchestrator.store.models import Connection
from orchestrator.store.people import PeopleStore
from orchestrator.store.progress import ProgressStore
from orchestrator.store.tasks import TasksStore


class DynamoStore(JobsStore, ProgressStore, TasksStore, FlowStore, PeopleStore):
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
        PeopleStore.__init__(self, connection)
