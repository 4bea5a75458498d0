"""The composition root of every function: settings, dependencies, logs and metrics."""

from __future__ import annotations

import functools
import os
import random
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, Protocol, Self, cast

from aws_lambda_powertools.logging import Logger
from aws_lambda_powertools.metrics import Metrics, MetricUnit

from orchestrator.aws import (
    Clients,
    EnqueueLater,
    S3Objects,
    SqsQueue,
    StepFunctions,
    read_secret,
)
from orchestrator.errors import OrchestratorError, Superseded
from orchestrator.model.ids import MAX_TASKS
from orchestrator.model.lanes import Lane
from orchestrator.service.ports import Deps, Limits
from orchestrator.sources_s3 import S3Sources
from orchestrator.store import DynamoStore

type Event = Mapping[str, Any]


class CallContext(Protocol):
    """What is used of a Lambda context."""

    @property
    def function_name(self) -> str:
        """The function's name."""
        ...

    @property
    def aws_request_id(self) -> str:
        """Lambda's id of the call."""
        ...

    def get_remaining_time_in_millis(self) -> int:
        """Return the milliseconds until the time-out."""
        ...


ANY_ORIGIN = "*"
_RESERVED = frozenset(
    {"name", "msg", "args", "module", "process", "thread", "created", "message", "asctime"}
    | {"filename", "lineno", "funcName", "pathname", "levelname", "levelno", "exc_info"}
)
"""What logging keeps for itself: a field of such a name would make it raise."""


class BadSettings(OrchestratorError):
    """The function's environment is not what the template sets; the message names each variable."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The environment, read once."""

    jobs_table: str
    tasks_table: str
    workers_table: str
    data_bucket: str
    results_bucket: str
    task_queue_url: str
    express_queue_url: str
    state_machine_arn: str
    enqueue_function: str
    cursor_secret_arn: str
    region: str
    endpoint_url: str | None
    retention: timedelta
    message_retention: timedelta
    batches: Literal["partiql", "single"]
    limits: Limits

    @classmethod
    def read(cls, environ: Mapping[str, str]) -> Self:
        """Read the settings. Raises BadSettings, which names all that is missing at once."""
        names = {field: field.upper() for field in _PLAIN} | {"region": "AWS_REGION"}
        missing = sorted(name for name in names.values() if not environ.get(name))
        if missing:
            raise BadSettings(f"missing in the environment: {', '.join(missing)}")
        batches = environ.get("DYNAMODB_BATCHES", "partiql")
        if batches not in ("partiql", "single"):
            raise BadSettings(f"DYNAMODB_BATCHES is partiql or single, not {batches!r}")
        return cls(
            **{field: environ[name] for field, name in names.items()},
            endpoint_url=environ.get("AWS_ENDPOINT_URL") or None,
            retention=timedelta(days=_number(environ, "RETENTION_DAYS", 90)),
            message_retention=timedelta(
                seconds=_number(environ, "MESSAGE_RETENTION_SECONDS", 12 * 86_400)
            ),
            batches=cast(Literal["partiql", "single"], batches),
            limits=Limits(
                active_jobs=_number(environ, "MAX_ACTIVE_JOBS", 0, least=0),
                queued_tasks=_number(environ, "MAX_QUEUED_TASKS", 0, least=0),
                tasks_per_job=_number(environ, "MAX_TASKS_PER_JOB", MAX_TASKS),
                express_tasks=_number(environ, "EXPRESS_TASKS", 0, least=0),
            ),
        )


_PLAIN = (
    "jobs_table",
    "tasks_table",
    "workers_table",
    "data_bucket",
    "results_bucket",
    "task_queue_url",
    "express_queue_url",
    "state_machine_arn",
    "enqueue_function",
    "cursor_secret_arn",
)


def _number(environ: Mapping[str, str], name: str, default: int, least: int = 1) -> int:
    text = environ.get(name) or str(default)
    if not text.isdecimal() or int(text) < least:
        raise BadSettings(f"{name} is a whole number of at least {least}, not {text!r}")
    return int(text)


def allowed_origin() -> str:
    """Return the origin of web pages that may call the API (CORS)."""
    return os.environ.get("ALLOWED_ORIGIN") or ANY_ORIGIN


class LambdaJournal:
    """`ports.Journal`: one JSON line an event, counts as CloudWatch's embedded metrics (EMF)."""

    def __init__(self) -> None:
        self._logger = Logger(
            level=os.environ.get("LOG_LEVEL") or "INFO",
            utc=True,
            use_rfc3339=True,
            location=None,
            json_default=_plain,
            serialize_stacktrace=False,  # The traceback is there as text.
        )
        namespace = os.environ.get("POWERTOOLS_METRICS_NAMESPACE") or "JobOrchestrator"
        self._metrics = Metrics(namespace=namespace)

    def event(self, name: str, **fields: object) -> None:
        """Log one line."""
        self._logger.info(name, extra=_safe(fields))

    def failure(self, name: str, **fields: object) -> None:
        """Log the exception that is being handled, with its traceback."""
        self._logger.exception(name, extra=_safe(fields))

    def count(self, metric: str, value: int = 1, **dimensions: str) -> None:
        """Add to a metric; `dimensions` are kept as fields beside it, since each costs a metric."""
        self._metrics.add_metric(name=metric, unit=MetricUnit.Count, value=value)
        for key, text in dimensions.items():
            self._metrics.add_metadata(key, text)

    def begin(self, **keys: object) -> None:
        """Give every line from now on these keys, and no older ones."""
        self._logger.clear_state()
        self._logger.append_keys(**keys)

    def flush(self) -> None:
        """Write the counts, if there are any."""
        if self._metrics.metric_set:
            self._metrics.flush_metrics()


def _plain(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def _safe(fields: Mapping[str, object]) -> dict[str, object]:
    return {f"{key}_" if key in _RESERVED else key: value for key, value in fields.items()}


def now() -> datetime:
    """Return the time in whole milliseconds, as the store keeps it."""
    moment = datetime.now(UTC)
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def new_id() -> str:
    """Return a new ULID."""
    from ulid import ULID  # 25 ms of import for few callers: submissions, keys, lost workers.

    return str(ULID())


@functools.cache
def settings() -> Settings:
    """Return the settings of this process. Raises BadSettings."""
    return Settings.read(os.environ)


@functools.cache
def journal() -> LambdaJournal:
    """Return the journal of this process."""
    return LambdaJournal()


@functools.cache
def deps() -> Deps:
    """Return what the use cases reach in this process; clients are made when they are needed."""
    known = settings()
    clients = Clients(path_style=known.endpoint_url is not None)
    return Deps(
        store=DynamoStore(
            jobs_table=known.jobs_table,
            tasks_table=known.tasks_table,
            workers_table=known.workers_table,
            region=known.region,
            endpoint_url=known.endpoint_url,
            batches=known.batches,
        ),
        data=S3Objects(clients, known.data_bucket),
        results=S3Objects(clients, known.results_bucket),
        sources=S3Sources(clients, known.data_bucket),
        queue=SqsQueue(
            clients,
            {Lane.ORDINARY: known.task_queue_url, Lane.EXPRESS: known.express_queue_url},
        ),
        machine=StepFunctions(clients, known.state_machine_arn),
        journal=journal(),
        enqueue_later=EnqueueLater(clients, known.enqueue_function),
        now=now,
        new_id=new_id,
        random=random.random,
        new_secret=lambda: secrets.token_urlsafe(32),
        cursor_key=functools.cache(lambda: read_secret(clients, known.cursor_secret_arn)),
        retention=known.retention,
        message_retention=known.message_retention,
        limits=known.limits,
    )


@contextmanager
def call(context: CallContext, **keys: object) -> Iterator[LambdaJournal]:
    """Surround one call: keys on every line, a line for what it raises, the metrics at the end."""
    own = journal()
    own.begin(function=context.function_name, function_request_id=context.aws_request_id, **keys)
    try:
        yield own
    except Exception as error:
        own.failure("call.failed", error=repr(error)[:500])
        raise
    finally:
        own.flush()


def seconds_left(context: CallContext, reserve: float = 0.0) -> Callable[[], float]:
    """Return a clock of the seconds until `reserve` seconds before the time-out."""
    return lambda: context.get_remaining_time_in_millis() / 1000 - reserve


type Step = Callable[[Deps, Event, CallContext], Mapping[str, object]]


def machine_step(step: Step) -> Callable[[Event, CallContext], Mapping[str, object]]:
    """Make a step of the state machine a handler.

    A step of a job that has moved on answers {"superseded": true}, which ends the execution; every
    other error leaves the function, for the machine to try again by its name.
    """

    @functools.wraps(step)
    def handler(event: Event, context: CallContext) -> Mapping[str, object]:
        keys = {key: event.get(key) for key in ("job_id", "gen", "exec")}
        begun = time.monotonic()
        with call(context, **keys) as own:
            try:
                answer = step(deps(), event, context)
            except Superseded as error:
                answer = {"superseded": True}
                own.event("step.superseded", reason=str(error))
            own.event(
                "step.ended",
                op=event.get("op"),
                node=event.get("node"),
                seconds=round(time.monotonic() - begun, 3),
            )
            return answer

    return handler
