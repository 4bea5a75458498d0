"""Read routes: p50 and p99, one after the other and eight at once, beside an empty function."""

from __future__ import annotations

import io
import json
import time
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from local import api, aws
from local.stack import Stack
from tests.bench import floor

CALLS = 1_000
WARM_CALLS = 50
AT_ONCE = 8
SEED_P99_MS = 100
GOAL_MS = 10
_EMPTY = (
    "def handler(event, context):\n    print('x')\n    return {'statusCode': 200, 'body': '{}'}\n"
)


def _empty_function(stack: Stack) -> Callable[[], object]:
    """Deploy a function that does nothing; return a call of it."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("app.py", _EMPTY)
    client: Any = aws.client("lambda", stack.endpoint_url)
    client.create_function(
        FunctionName="bench-empty",
        Runtime="python3.13",
        Role="arn:aws:iam::000000000000:role/bench",
        Handler="app.handler",
        Code={"ZipFile": archive.getvalue()},
    )
    return lambda: client.invoke(FunctionName="bench-empty", Payload=b"{}")


@dataclass(frozen=True, slots=True)
class Span:
    """When a part of a measure ran, in seconds of the epoch."""

    begun: float
    ended: float


def _line(name: str, call: Callable[[], object]) -> tuple[Span, Span]:
    """Print a route's figures, alone and eight at once; return when each ran. New processes are warm before."""
    floor.seconds(call, WARM_CALLS)
    begun = time.time()
    one = floor.seconds(call, CALLS)
    between = time.time()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        parts = pool.map(lambda _: floor.seconds(call, CALLS // AT_ONCE), range(AT_ONCE))
        eight = [value for part in parts for value in part]
    figures = [1000 * floor.percentile(v, p) for v in (one, eight) for p in (50, 99)]
    print(f"  {name:<34}" + "".join(f"{figure:9.1f}" for figure in figures))
    return Span(begun, between), Span(between, time.time())


def measure(stack: Stack, job_id: str) -> None:
    """Print the figures of each read route."""
    print(f"\nRead routes, {CALLS:,} calls, milliseconds (claimed: p99 under {SEED_P99_MS})")
    print(f"  {'':<34}{'p50':>9}{'p99':>9}{'p50 of 8':>9}{'p99 of 8':>9}")
    paths = {
        "GET job": f"/api/v1/jobs/{job_id}",
        "GET jobs (20, the default)": "/api/v1/jobs",
        "GET tasks (50, the default)": f"/api/v1/jobs/{job_id}/tasks",
        "GET task": f"/api/v1/tasks/{job_id}-7",
    }
    spans = {}
    for name, path in paths.items():
        spans[name] = _line(
            name,
            lambda path=path: api.call("GET", stack.api_url + path, stack.api_key),  # type: ignore[misc]
        )
    _line("an empty function (the floor)", _empty_function(stack))
    print(f"  the handler's own time (CPU; the rest waits for the emulator), goal p99 {GOAL_MS}")
    for name, parts in spans.items():
        own = [_handler_seconds(stack, span) for span in parts]
        figures = [1000 * floor.percentile(v, p) for v in own for p in (50, 99)]
        print(f"  {name:<34}" + "".join(f"{figure:9.1f}" for figure in figures))


def _handler_seconds(stack: Stack, span: Span) -> list[float]:
    """Return the CPU seconds that the function itself took for each request, as it logged them."""
    logs = aws.client("logs", stack.endpoint_url)
    pages = logs.get_paginator("filter_log_events").paginate(
        logGroupName=f"/aws/lambda/{stack.functions['jobs_api']}",
        startTime=int(span.begun * 1000),
        endTime=int(span.ended * 1000) + 1,
    )
    lines = (event["message"] for page in pages for event in page["events"])
    events = (json.loads(line) for line in lines if line.startswith("{"))
    return [event["cpu_seconds"] for event in events if event.get("message") == "request.answered"]
