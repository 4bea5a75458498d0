"""Stores of every kind: the fake, DynamoDB on moto, DynamoDB on the emulator."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import boto3
import pytest
from moto import mock_aws
from ulid import ULID

from local.emulator import Emulator, running_emulator
from orchestrator.service.ports import Store
from orchestrator.store import DynamoStore
from tests.fakes.store import MemoryStore

_INDEXES = {
    "by_tenant": [("tenant", "S"), ("job_id", "S")],
    "by_state": [("tenant_state", "S"), ("job_id", "S")],
    "active": [("active", "S"), ("next_check_at", "N")],
    "unsent": [("unsent_of", "S"), ("priority", "N")],
}


@pytest.fixture(scope="session")
def emulator() -> Iterator[Emulator]:
    """Run one emulator for the session."""
    with running_emulator() as running:
        yield running


def create_tables(endpoint_url: str | None) -> dict[str, str]:
    """Create the three tables under names of their own."""
    client: Any = boto3.client("dynamodb", endpoint_url=endpoint_url)
    names = {f"{kind}_table": f"{kind}-{uuid4().hex[:8]}" for kind in ("jobs", "tasks", "workers")}
    for kind, name in names.items():
        indexes = _INDEXES if kind == "jobs_table" else {}
        attributes = {"pk": "S", "sk": "S"} | {k: t for keys in indexes.values() for k, t in keys}
        request: dict[str, Any] = {
            "TableName": name,
            "BillingMode": "PAY_PER_REQUEST",
            "AttributeDefinitions": [
                {"AttributeName": key, "AttributeType": kind} for key, kind in attributes.items()
            ],
            "KeySchema": _schema("pk", "sk"),
        }
        if indexes:
            request["GlobalSecondaryIndexes"] = [
                {
                    "IndexName": index,
                    "KeySchema": _schema(*(key for key, _ in keys)),
                    "Projection": {"ProjectionType": "KEYS_ONLY"},
                }
                for index, keys in indexes.items()
            ]
        client.create_table(**request)
    return names


def _schema(partition: str, sort: str) -> list[dict[str, str]]:
    return [
        {"AttributeName": partition, "KeyType": "HASH"},
        {"AttributeName": sort, "KeyType": "RANGE"},
    ]


@pytest.fixture(scope="session")
def emulated_tables(emulator: Emulator) -> dict[str, str]:
    """Create the tables on the emulator once."""
    return create_tables(emulator.endpoint_url)


KINDS = ("fake", "moto", "emulator-single", "emulator-partiql")


def make_store(request: pytest.FixtureRequest, kind: str) -> Iterator[Store]:
    """Return a store of one kind: moto ignores the conditions of PartiQL batches."""
    if kind == "fake":
        yield MemoryStore()
    elif kind == "moto":
        with mock_aws():
            yield DynamoStore(**create_tables(None), region="us-east-1", batches="single")
    else:
        running: Emulator = request.getfixturevalue("emulator")
        tables = request.getfixturevalue("emulated_tables")
        yield DynamoStore(
            **tables,
            region="us-east-1",
            endpoint_url=running.endpoint_url,
            batches="partiql" if kind == "emulator-partiql" else "single",
        )


@pytest.fixture(params=KINDS)
def store(request: pytest.FixtureRequest) -> Iterator[Store]:
    """Return a store of each kind."""
    yield from make_store(request, request.param)


@pytest.fixture(params=[kind for kind in KINDS if kind != "moto"])
def atomic(request: pytest.FixtureRequest) -> Iterator[Store]:
    """Return a store of each kind whose conditional writes are atomic between threads: not moto's."""
    yield from make_store(request, request.param)


@pytest.fixture
def job_id() -> str:
    """Return a job's id that no other test has."""
    return str(ULID())
