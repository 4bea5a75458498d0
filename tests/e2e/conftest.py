"""The application, deployed once for the session: IAM enforced, two real workers."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from local import api, aws, launch
from local.phases import Phases
from local.scope import Scope
from local.stack import Running, Stack

HANDLERS = "tests/e2e/handlers.py"
FINAL = frozenset({"SUCCEEDED", "FAILED", "CANCELLED"})
ANSWER_MAX_BYTES = 1_000_000
PATIENCE_SECONDS = 120.0


@dataclass
class Deployed:
    """A client of the deployed application that keeps an eye on what the emulator does not enforce."""

    running: Running
    largest_answer: int = 0
    jobs: list[str] = field(default_factory=list)

    @property
    def stack(self) -> Stack:
        """Return where everything is."""
        return self.running.stack

    def send(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        *,
        key: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> api.Answer:
        """Send a request with a key (the admin's, none where it is empty)."""
        key = self.stack.api_key if key is None else key
        own = {"Authorization": f"Bearer {key}"} if key else {}
        given = {**own, "Content-Type": "application/json", **(headers or {})}
        answer = api.send(method, f"{self.stack.api_url}{path}", body, given)
        if "json" in answer.headers.get("Content-Type", ""):
            self.largest_answer = max(self.largest_answer, len(answer.body))
        return answer

    def call(self, method: str, path: str, body: object = None, **options: Any) -> Any:
        """Send JSON; return the answer's JSON, or fail with what it says."""
        data = b"" if body is None else json.dumps(body).encode()
        answer = self.send(method, path, data, **options)
        assert answer.status < 400, f"{method} {path}: {answer.status} {answer.body[:2000]!r}"
        return answer.json() if answer.body else None

    def submit(self, handler: str, tasks: Mapping[str, object], **fields: object) -> str:
        """Submit a job; return its id."""
        body = {"name": handler, "handler": handler, "tasks": tasks, **fields}
        job = self.call("POST", "/api/v1/jobs", body)
        self.jobs.append(job["job_id"])
        return str(job["job_id"])

    def job(self, job_id: str) -> Any:
        """Read a job; its counts add up in every answer."""
        job = self.call("GET", f"/api/v1/jobs/{job_id}")
        assert sum(job["counts"].values()) == (job["total"] or 0)
        return job

    def until(self, what: Callable[[], Any]) -> Any:
        """Ask until the answer is true, for a bounded time."""
        give_up = time.monotonic() + PATIENCE_SECONDS
        while not (found := what()):
            assert time.monotonic() < give_up, "waited too long"
            time.sleep(0.2)
        return found

    def finish(self, job_id: str) -> Any:
        """Wait for a job's end; return it."""

        def final() -> Any:
            job = self.job(job_id)
            return job if job["state"] in FINAL else None

        return self.until(final)

    def lines(self, job_id: str) -> list[Any]:
        """Return the result lines of a finished job."""
        results = self.call("GET", f"/api/v1/jobs/{job_id}/results")
        bodies = [api.send("GET", part["url"]).body for part in results["parts"]]
        return [json.loads(line) for body in bodies for line in body.splitlines()]

    def client(self, service: str) -> Any:
        """Return a client of the emulator."""
        return aws.client(service, self.stack.endpoint_url)

    def logs(self) -> list[dict[str, Any]]:
        """Return the JSON lines of all functions and workers."""
        logs = self.client("logs")
        texts = [
            event["message"]
            for name in self.stack.functions.values()
            for page in logs.get_paginator("filter_log_events").paginate(
                logGroupName=f"/aws/lambda/{name}"
            )
            for event in page["events"]
        ]
        for number in range(1, len(self.running.workers) + 1):
            texts += self.running.worker_log(number).read_text().splitlines()
        return [json.loads(text) for text in texts if text.startswith("{")]


def secret_of(key: str) -> str:
    """Return what follows a key's prefix and id; it may hold underscores too."""
    return key.split("_", 2)[2]


@pytest.fixture(scope="session")
def deployed() -> Iterator[Deployed]:
    """Build, deploy and start everything; stop it at the end."""
    options = launch.Options(workers=2, handlers=HANDLERS, auth=True)
    with Scope() as scope, launch.threads(scope) as pool:
        starting = pool.submit(launch.launch, scope, Phases(), pool, options)
        yield Deployed(starting.result())
