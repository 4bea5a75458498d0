"""A client that expects the API to fail now and then: it asks again, as a person's program would."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from local import api
from local.stack import Stack

PATIENCE_SECONDS = 60.0
FINAL = frozenset({"SUCCEEDED", "FAILED", "CANCELLED"})


def patiently[T](ask: Callable[[], T]) -> T:
    """Ask until there is an answer, for a bounded time. Raises what the last try raised."""
    give_up = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            return ask()
        except api.ApiError:
            if time.monotonic() > give_up:
                raise
            time.sleep(0.5)


def get(stack: Stack, path: str) -> Any:
    """Read a route."""
    return patiently(lambda: api.call("GET", f"{stack.api_url}/api/v1{path}", stack.api_key).json())


def submit(stack: Stack, body: object, key: str) -> str:
    """Submit a job once, however often that takes; return its id."""
    url, headers = f"{stack.api_url}/api/v1/jobs", {"Idempotency-Key": key}
    answer = patiently(lambda: api.call("POST", url, stack.api_key, body, headers))
    return str(answer.json()["job_id"])
