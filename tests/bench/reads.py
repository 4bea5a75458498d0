"""Read routes: p50 and p99, one after the other and eight at once, beside an empty function."""

from __future__ import annotations

import io
import json
import time
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from local import api, aws
from local.stack import Stack
from tests.bench import floor

CALLS = 1_000
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


def _line(name: str, call: Callable[[], object]) -> None:
    """Print a route's figures: alone, and eight at once."""
    call()
    one = floor.seconds(call, CALLS)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        parts = pool.map(lambda _: floor.seconds(call, CALLS // AT_ONCE), range(AT_ONCE))
        eight = [value for part in parts for value in part]
    figures = [1000 * floor.percentile(v, p) for v in (one, eight) for p in (50, 99)]
    print(f"  {name:<34}" + "".join(f"{figure:9.1f}" for figure in figures))


def measure(stack: Stack, job_id: str) -> None:
    """Print the figures of each read route."""
    print(f"\nRead routes, {CALLS:,} calls, milliseconds (claimed: p99 under {SEED_P99_MS})")
    print(f"  {'':<34}{'p50':>9}{'p99':>9}{'p50 of 8':>9}{'p99 of 8':>9}")
    begun = time.time()
    paths = {
        "GET job": f"/api/v1/jobs/{job_id}",
        "GET jobs?limit=20": "/api/v1/jobs?limit=20",
        "GET tasks?limit=100": f"/api/v1/jobs/{job_id}/tasks?limit=100",
        "GET task": f"/api/v1/tasks/{job_id}-7",
    }
    for name, path in paths.items():
        _line(name, lambda path=path: api.call("GET", stack.api_url + path, stack.api_key))  # type: ignore[misc]
    _line("an empty function (the floor)", _empty_function(stack))
    print(
        f"  the handler's own time (CPU; the rest is waiting for the emulator), goal p99 {GOAL_MS}"
    )
    for route, own in sorted(_handler_seconds(stack, begun).items()):
        p50, p99 = (1000 * floor.percentile(own, percent) for percent in (50, 99))
        print(f"  {route:<34}{p50:9.1f}{p99:9.1f}   {len(own):,} requests")


def _handler_seconds(stack: Stack, since: float) -> dict[str, list[float]]:
    """Return by route the CPU seconds that the function itself took, as it logged them."""
    logs = aws.client("logs", stack.endpoint_url)
    pages = logs.get_paginator("filter_log_events").paginate(
        logGroupName=f"/aws/lambda/{stack.functions['jobs_api']}", startTime=int(since * 1000)
    )
    lines = (event["message"] for page in pages for event in page["events"])
    events = (json.loads(line) for line in lines if line.startswith("{"))
    routes: dict[str, list[float]] = {}
    for event in events:
        if event.get("message") == "request.answered" and event["status"] == 200:
            routes.setdefault(event["route"], []).append(event["cpu_seconds"])
    return {route: own for route, own in routes.items() if len(own) > CALLS // 2}
