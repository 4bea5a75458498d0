"""The items of the three tables as PynamoDB models; a task's attribute names are short (rows below 1 KB)."""

from __future__ import annotations

from typing import Any

from botocore.parsers import JSONParser, ResponseParserFactory
from botocore.session import Session
from pydantic_core import from_json
from pynamodb.attributes import (
    BooleanAttribute,
    ListAttribute,
    NumberAttribute,
    NumberSetAttribute,
    UnicodeAttribute,
    UnicodeSetAttribute,
)
from pynamodb.connection import Connection as Wire
from pynamodb.connection import TableConnection
from pynamodb.indexes import GlobalSecondaryIndex, KeysOnlyProjection
from pynamodb.models import Model

from orchestrator.model.ids import MAX_NODES, NODE_LEAVES
from orchestrator.store.attributes import ExpiryAttribute, JsonAttribute, TimeAttribute


class Keyed(Model):
    """An item with the two keys that every table has, and its time to live."""

    pk = UnicodeAttribute(hash_key=True)
    sk = UnicodeAttribute(range_key=True)
    expires_at = ExpiryAttribute(null=True)


class ByTenant(GlobalSecondaryIndex[Any]):  # type: ignore[no-untyped-call]
    """A tenant's jobs, oldest first."""

    class Meta:
        """Index settings."""

        index_name = "by_tenant"
        projection = KeysOnlyProjection()

    tenant = UnicodeAttribute(hash_key=True)
    job_id = UnicodeAttribute(range_key=True)


class ByState(GlobalSecondaryIndex[Any]):  # type: ignore[no-untyped-call]
    """A tenant's jobs in one state, oldest first."""

    class Meta:
        """Index settings."""

        index_name = "by_state"
        projection = KeysOnlyProjection()

    tenant_state = UnicodeAttribute(hash_key=True)
    job_id = UnicodeAttribute(range_key=True)


class Active(GlobalSecondaryIndex[Any]):  # type: ignore[no-untyped-call]
    """Non-final jobs by the time of their next check; sparse."""

    class Meta:
        """Index settings."""

        index_name = "active"
        projection = KeysOnlyProjection()

    active = UnicodeAttribute(hash_key=True)
    next_check_at = TimeAttribute(range_key=True)


class Unsent(GlobalSecondaryIndex[Any]):  # type: ignore[no-untyped-call]
    """A tenant's jobs that have unsent tasks, by priority; sparse."""

    class Meta:
        """Index settings."""

        index_name = "unsent"
        projection = KeysOnlyProjection()

    unsent_of = UnicodeAttribute(hash_key=True)
    priority = NumberAttribute(range_key=True)


class JobRow(Keyed):
    """JOB."""

    by_tenant = ByTenant()
    by_state = ByState()
    by_check = Active()
    by_priority = Unsent()

    job_id = UnicodeAttribute()
    tenant = UnicodeAttribute()
    tenant_state = UnicodeAttribute()
    active = UnicodeAttribute(null=True)
    name = UnicodeAttribute()
    handler = UnicodeAttribute()
    state = UnicodeAttribute()
    state_reason = UnicodeAttribute(null=True)
    stop = JsonAttribute(null=True)
    gen = NumberAttribute()
    exec = NumberAttribute()
    total = NumberAttribute(null=True)
    policy = UnicodeAttribute()
    created_by = UnicodeAttribute()
    request_id = UnicodeAttribute()
    tags = JsonAttribute(null=True)
    plan_ref = UnicodeAttribute(null=True)
    reopen_ref = UnicodeAttribute(null=True)
    lane = UnicodeAttribute(null=True)
    base_finals = NumberAttribute()
    cursor = NumberAttribute()
    max_running = NumberAttribute(null=True)
    priority = NumberAttribute(null=True)
    unsent_of = UnicodeAttribute(null=True)
    token = UnicodeAttribute(null=True)
    final_counts = JsonAttribute(null=True)
    created_at = TimeAttribute()
    started_at = TimeAttribute(null=True)
    finished_at = TimeAttribute(null=True)
    deadline_at = TimeAttribute(null=True)
    next_check_at = TimeAttribute(null=True)
    checks = NumberAttribute()
    results_ref = UnicodeAttribute(null=True)
    resent_at = TimeAttribute(null=True)
    held_until = TimeAttribute(null=True)
    asked_until = TimeAttribute(null=True)
    opens_at = TimeAttribute(null=True)
    usage = JsonAttribute(null=True)
    events: ListAttribute[UnicodeAttribute] = ListAttribute(null=True, of=UnicodeAttribute)


class RootRow(Keyed):
    """ROOT: n00..n62 are packed nodes."""

    pushed_at = TimeAttribute(null=True)
    pushes = NumberAttribute(null=True)
    running_first = NumberAttribute(null=True)
    running_retry = NumberAttribute(null=True)
    running_as_of = TimeAttribute(null=True)
    for _number in range(MAX_NODES):
        locals()[f"n{_number:02d}"] = NumberAttribute(null=True)
    del _number


class LeafRow(Keyed):
    """LEAF: number sets of offsets."""

    gen = NumberAttribute(null=True)
    ver = NumberAttribute(null=True)
    ok = NumberSetAttribute(null=True)
    failed = NumberSetAttribute(null=True)
    cancelled = NumberSetAttribute(null=True)
    skipped = NumberSetAttribute(null=True)
    retry = NumberSetAttribute(null=True)
    closed = UnicodeAttribute(null=True)


class NodeRow(Keyed):
    """NODE: l00..l63 are packed leaves."""

    ver = NumberAttribute(null=True)
    calls = NumberAttribute(null=True)
    for _number in range(NODE_LEAVES):
        locals()[f"l{_number:02d}"] = NumberAttribute(null=True)
    del _number


class TaskItem(Keyed):
    """TASK."""

    state = UnicodeAttribute(attr_name="s")
    gen = NumberAttribute(attr_name="g")
    attempt = NumberAttribute(attr_name="a")
    due_at = TimeAttribute(attr_name="d", null=True)
    last = JsonAttribute(attr_name="l", null=True)
    starts = UnicodeSetAttribute(attr_name="st", null=True)
    budgets = JsonAttribute(attr_name="b", null=True)
    history = JsonAttribute(attr_name="h", null=True)
    result = UnicodeAttribute(attr_name="r", null=True)
    result_ref = UnicodeAttribute(attr_name="rr", null=True)


class PointRow(Keyed):
    """A point of a job's series; `ended` is the sum of the counts of ended tasks."""

    at = TimeAttribute()
    ended = NumberAttribute()
    counts = JsonAttribute()


class OutboxRow(Keyed):
    """OUTBOX; all that it says but the time is in its key."""

    due_at = TimeAttribute()


class GivenRow(Keyed):
    """GIVEN: what left a message."""

    given = NumberSetAttribute(null=True)


class HoldRow(Keyed):
    """HOLD."""

    gen = NumberAttribute()
    attempt = NumberAttribute()
    message_id = UnicodeAttribute()
    until = TimeAttribute()


class IdemRow(Keyed):
    """IDEM."""

    job_id = UnicodeAttribute()
    body_hash = UnicodeAttribute()
    from_gen = NumberAttribute()


class SweepRow(Keyed):
    """The sweep's cursor in the outbox."""

    minute = NumberAttribute()


class KeyRow(Keyed):
    """An API key."""

    name = UnicodeAttribute()
    tenant = UnicodeAttribute()
    role = UnicodeAttribute()
    secret_hash = UnicodeAttribute()
    created_at = TimeAttribute()
    created_by = UnicodeAttribute()


class WorkerRow(Keyed):
    """W#."""

    version = UnicodeAttribute()
    slots = NumberAttribute()
    handlers = JsonAttribute()
    unknown_handlers = JsonAttribute()
    draining = BooleanAttribute()
    jobs = JsonAttribute()
    seen_at = TimeAttribute()
    running = NumberAttribute(null=True)
    alive_since = TimeAttribute(null=True)
    schemas_digest = UnicodeAttribute(null=True)


class SchemasRow(Keyed):
    """SCHEMAS."""

    schemas = UnicodeAttribute()


class RunningRow(Keyed):
    """R#job."""

    tasks = JsonAttribute()
    seen_at = TimeAttribute()


class _AsSent(JSONParser):
    """DynamoDB's answers as they come: JSON, which the shapes of the service would only walk and copy.

    Binary values and timestamps alone need the shapes, and no item or answer used here has any.
    """

    def _handle_json_body(self, raw_body: bytes, shape: object) -> object:  # noqa: ARG002
        return from_json(raw_body) if raw_body else {}


class _Parsers(ResponseParserFactory):
    def create_parser(self, protocol_name: str) -> Any:
        return _AsSent() if protocol_name == "json" else super().create_parser(protocol_name)


class _Wire(Wire):
    """PynamoDB's connection, whose client parses answers in a tenth of the time (a page of 100 rows: 10 ms)."""

    @property
    def session(self) -> Session:
        session = super().session
        session.register_component("response_parser_factory", _Parsers())
        return session


class Connection:
    """Where the tables are, and the one client behind all models, made at the first request.

    PynamoDB would make a client for each model: 0.1 s and a socket pool every time.
    """

    def __init__(
        self,
        *,
        jobs_table: str,
        tasks_table: str,
        workers_table: str,
        region: str,
        endpoint_url: str | None = None,
    ) -> None:
        self.jobs_table = jobs_table
        self.tasks_table = tasks_table
        self.workers_table = workers_table
        # A call that hangs is tried again while its caller (29 s at most) still waits.
        self._wire = _Wire(
            region=region,
            host=endpoint_url,
            connect_timeout_seconds=2,
            read_timeout_seconds=5,
            max_retry_attempts=3,
            max_pool_connections=20,
        )
        self._tables: dict[str, TableConnection] = {}

    def table(self, model: type[Model], table: str) -> TableConnection:
        """Return the connection to a table; the first model to ask must be the one with its indexes."""
        known = self._tables.get(table)
        if known is None:
            meta = model._get_connection().get_meta_table()
            known = self._tables[table] = TableConnection(table)
            known.connection = self._wire
            self._wire.add_meta_table(meta)
        return known


def bind[M: Model](model: type[M], table: str, connection: Connection) -> type[M]:
    """Return `model` bound to a table: the name is known at run time only."""
    meta = type("Meta", (), {"table_name": table})
    bound: type[M] = type(model.__name__, (model,), {"Meta": meta})
    bound._connection = connection.table(bound, table)
    return bound
