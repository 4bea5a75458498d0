"""What a job's execution and functions did: history events, transitions, payloads, seconds a call."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from local import aws
from local.stack import Stack

_PAGE_EVENTS = 1_000
_LOGS_PAGE = 10_000
_EVENTS = ("step.ended", "request.answered")


@dataclass(frozen=True, slots=True)
class History:
    """An execution's history. `transitions`: states entered, what AWS bills; `calls`: of functions.

    `seconds` by state, in their order: from its first entry to its last exit.
    """

    events: int
    transitions: int
    calls: int
    largest_payload_bytes: int
    seconds: Mapping[str, float] = field(default_factory=dict)


def history(stack: Stack, job: Mapping[str, Any]) -> History:
    """Read the history of a job's first execution, page by page."""
    client = aws.client("stepfunctions", stack.endpoint_url)
    machine = stack.state_machine_arn.replace(":stateMachine:", ":execution:")
    pages = client.get_paginator("get_execution_history").paginate(
        executionArn=f"{machine}:{job['job_id']}-1-1", PaginationConfig={"PageSize": _PAGE_EVENTS}
    )
    return summary(event for page in pages for event in page["events"])


def summary(events: Iterable[Mapping[str, Any]]) -> History:
    """Count events as AWS names them."""
    number = transitions = calls = largest = 0
    entered, seconds = dict[str, datetime](), dict[str, float]()
    for event in events:
        number += 1
        transitions += event["type"].endswith("StateEntered")
        calls += event["type"] in ("TaskScheduled", "LambdaFunctionScheduled")
        largest = max(largest, *_payloads(event), 0)
        if (state := event.get("stateEnteredEventDetails", {}).get("name")) is not None:
            entered.setdefault(state, event["timestamp"])
        if (state := event.get("stateExitedEventDetails", {}).get("name")) in entered:
            seconds[state] = (event["timestamp"] - entered[state]).total_seconds()
    return History(number, transitions, calls, largest, seconds)


def _payloads(event: Mapping[str, Any]) -> Iterator[int]:
    """Yield the sizes of an event's texts, in bytes."""
    yield 0
    for name, details in event.items():
        if name.endswith("EventDetails"):
            for key in ("input", "output", "parameters"):
                yield len(str(details.get(key) or "").encode())


def longest_calls(stack: Stack, begun: float, ended: float) -> dict[str, float]:
    """Return the longest call of each function in seconds, as the functions logged them themselves.

    `begun` and `ended` in seconds of the epoch. A call that failed logs nothing, and is not in it.
    """
    logs, longest = aws.client("logs", stack.endpoint_url), dict[str, float]()
    for function, name in stack.functions.items():
        lines = _lines(logs, f"/aws/lambda/{name}", int(begun * 1000), int(ended * 1000) + 1)
        taken = [line["seconds"] for line in lines if line.get("message") in _EVENTS]
        if taken:
            longest[function] = max(taken)
    return longest


def moment_of(stack: Stack, function: str, event: str, job_id: str) -> datetime | None:
    """Return when a function logged an event about a job, None where it has not."""
    logs, group = aws.client("logs", stack.endpoint_url), f"/aws/lambda/{stack.functions[function]}"
    for line in _lines(logs, group, 0, int(time.time() * 1000) + 1):
        if line.get("message") == event and line.get("job_id") == job_id:
            return datetime.fromisoformat(line["timestamp"])
    return None


def _lines(logs: Any, group: str, first: int, last: int) -> Iterator[dict[str, Any]]:
    """Yield JSON lines between two moments, in milliseconds; the emulator gives 10,000 and no next page."""
    while True:
        try:
            events = logs.filter_log_events(
                logGroupName=group, startTime=first, endTime=last, limit=_LOGS_PAGE
            )["events"]
        except logs.exceptions.ResourceNotFoundException:
            return  # It was never called.
        texts = (event["message"] for event in events)
        yield from (json.loads(text) for text in texts if text.startswith("{"))
        if len(events) < _LOGS_PAGE:
            return
        first = max(first + 1, events[-1]["timestamp"])
