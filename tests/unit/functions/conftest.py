"""The functions with their surroundings in memory: recorded events in, answers out."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from pytest_socket import disable_socket, enable_socket

from orchestrator import runtime
from tests.fakes.world import RecordingJournal, World

EVENTS = Path(__file__).parents[3] / "events"


@dataclass
class Context:
    """What the handlers use of a Lambda context."""

    function_name: str = "orchestrator-test"
    aws_request_id: str = "0f0e0d0c-0000-4000-8000-000000000001"
    remaining_ms: int = 30_000

    def get_remaining_time_in_millis(self) -> int:
        return self.remaining_ms


@dataclass
class CallJournal(RecordingJournal):
    """The journal of a call: `lines` are events with the keys that surround them."""

    keys: dict[str, object] = field(default_factory=dict)
    lines: list[dict[str, object]] = field(default_factory=list)
    flushes: int = 0

    def event(self, name: str, **fields: object) -> None:
        super().event(name, **fields)
        self.lines.append({"message": name, **self.keys, **fields})

    def failure(self, name: str, **fields: object) -> None:
        self.event(name, **fields)

    def begin(self, **keys: object) -> None:
        self.keys = keys

    def flush(self) -> None:
        self.flushes += 1


@pytest.fixture(autouse=True)
def _no_sockets() -> Iterator[None]:
    disable_socket()
    yield
    enable_socket()


@pytest.fixture
def journal(monkeypatch: pytest.MonkeyPatch) -> CallJournal:
    kept = CallJournal()
    monkeypatch.setattr(runtime, "journal", lambda: kept)
    return kept


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch, journal: CallJournal) -> World:
    made = World()
    monkeypatch.setattr(runtime, "deps", lambda: made.deps)
    return made


@pytest.fixture
def context() -> Context:
    return Context()


def load(name: str) -> dict[str, Any]:
    """Return the recorded event `name`, such as "jobs_api/get_job"."""
    event: dict[str, Any] = json.loads((EVENTS / f"{name}.json").read_text())
    return event


Edit = Callable[..., dict[str, Any]]


@pytest.fixture
def rest() -> Edit:
    """Return a maker of REST events: a recorded one with another body, path, query, header or caller."""

    def make(
        name: str,
        *,
        body: object = None,
        text: str | None = None,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        caller: Mapping[str, str] | None = None,
        **path: str,
    ) -> dict[str, Any]:
        event = load(name)
        if body is not None or text is not None:
            event["body"] = text if text is not None else json.dumps(body)
        if query is not None:
            event["queryStringParameters"] = dict(query)
            event["multiValueQueryStringParameters"] = {k: [v] for k, v in query.items()}
        for key, value in (headers or {}).items():
            event["headers"][key] = value
            event["multiValueHeaders"][key] = [value]
        if caller is not None:
            event["requestContext"]["authorizer"].update(caller)
        for key, value in path.items():
            event["path"] = event["path"].replace(event["pathParameters"][key], value)
            event["pathParameters"][key] = value
        return event

    return make
