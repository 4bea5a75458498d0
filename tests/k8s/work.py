"""Jobs on the stack that the pods work for."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

from local import api, aws
from local.job_client import FINAL, submit
from local.stack import Stack

_POLL_SECONDS = 0.3


class Jobs:
    """Submits jobs and looks at what becomes of them."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack

    def get(self, path: str) -> Any:
        """Read a route."""
        url = f"{self.stack.api_url}/api/v1/{path}"
        return api.call("GET", url, self.stack.api_key).json()

    def submit(self, name: str, tasks: list[Any], handler: str = "k8s.work", **fields: Any) -> str:
        """Submit a job with these inputs, each message with one task; return its id."""
        body = {
            "name": name,
            "handler": handler,
            "tasks": {"items": tasks},
            "tasks_per_message": 1,
            **fields,
        }
        return submit(self.stack, body, uuid.uuid4().hex)

    def wait(
        self, job_id: str, seconds: float, until: Callable[[Any], bool] | None = None
    ) -> dict[str, Any]:
        """Wait until a job is final, or until something is true of it; return it."""
        give_up = time.monotonic() + seconds
        while True:
            job: dict[str, Any] = self.get(f"jobs/{job_id}")
            assert job["total"] is None or sum(job["counts"].values()) == job["total"]
            if until(job) if until else job["state"] in FINAL:
                return job
            assert time.monotonic() < give_up, f"{job['state']} {job['counts']}"
            time.sleep(_POLL_SECONDS)

    def running(self, job_id: str, count: int, seconds: float = 60.0) -> None:
        """Wait until so many tasks run."""
        self.wait(job_id, seconds, lambda job: job["counts"]["running"] >= count)

    def tasks(self, job_id: str) -> Iterator[dict[str, Any]]:
        """Yield all tasks."""
        cursor = ""
        while cursor is not None:
            page = self.get(
                f"jobs/{job_id}/tasks?limit=100" + (f"&cursor={cursor}" if cursor else "")
            )
            yield from page["tasks"]
            cursor = page["next_cursor"]

    def audited(self, job_id: str) -> None:
        """Hold the job's rows, sets and results against each other: each task is committed once."""
        cursor = ""
        while cursor is not None:
            page = self.get(f"jobs/{job_id}/audit" + (f"?cursor={cursor}" if cursor else ""))
            assert page["verdict"] == "clean", page
            cursor = page["next_cursor"]

    def succeeded(self, job_id: str, seconds: float) -> list[dict[str, Any]]:
        """Wait until a job has SUCCEEDED and the audit is clean; return its tasks."""
        job = self.wait(job_id, seconds)
        assert job["state"] == "SUCCEEDED", job
        self.audited(job_id)
        return list(self.tasks(job_id))

    def queued(self) -> int:
        """Return how many messages both task queues hold, in flight and delayed ones too."""
        sqs = aws.client("sqs", self.stack.endpoint_url)
        asked = [
            sqs.get_queue_attributes(QueueUrl=self.stack.queues[name], AttributeNames=["All"])
            for name in ("tasks", "express")
        ]
        numbers = [pair for answer in asked for pair in answer["Attributes"].items()]
        return sum(int(value) for name, value in numbers if name.startswith("ApproximateNumberOf"))
