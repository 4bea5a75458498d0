"""Submit a job, follow it to its end, fetch its results: what a client of the API does."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from local import api
from local.errors import LocalError
from local.progress import Snapshot, View
from local.stack import Stack

FINAL = frozenset({"SUCCEEDED", "FAILED", "CANCELLED"})
_POLL_SECONDS = 0.5
_STALLED_AFTER_SECONDS = 180.0
_FETCHES_AT_ONCE = 8


class StalledError(LocalError):
    """The job shows no progress for too long."""


def submit(stack: Stack, body: Mapping[str, Any], idempotency_key: str) -> str:
    """Submit a job and return its id; sent again with the same key it is the same job."""
    headers = {"Idempotency-Key": idempotency_key}
    answer = api.call("POST", f"{stack.api_url}/api/v1/jobs", stack.api_key, body, headers)
    return str(answer.json()["job_id"])


class Watch:
    """Reads a job again and again, cheaply: an unchanged job is not sent twice."""

    def __init__(self, stack: Stack, job_id: str) -> None:
        self._stack = stack
        self._url = f"{stack.api_url}/api/v1/jobs/{job_id}"
        self._etag = ""
        self.job: dict[str, Any] = {}

    def read(self) -> bool:
        """Read the job; return whether it has changed."""
        headers = {"If-None-Match": self._etag} if self._etag else {}
        answer = api.call("GET", self._url, self._stack.api_key, headers=headers)
        if answer.status == 304:
            return False
        job = answer.json()
        changed = bool(job != self.job)
        self.job, self._etag = job, answer.headers.get("ETag", "")
        return changed


def wait(stack: Stack, job_id: str, view: View, check: Callable[[], None]) -> dict[str, Any]:
    """Follow a job until it is final and return it; raises StalledError without progress.

    `check` is called between reads and raises when something that the job needs has ended.
    """
    watch, changed_at = Watch(stack, job_id), time.monotonic()
    while True:
        if watch.read():
            changed_at = time.monotonic()
        view.show(Snapshot.of(watch.job))
        if watch.job["state"] in FINAL:
            return watch.job
        check()
        if time.monotonic() - changed_at > _STALLED_AFTER_SECONDS:
            seconds = f"{_STALLED_AFTER_SECONDS:.0f} s"
            raise StalledError(f"Job {job_id} has made no progress for {seconds}.")
        time.sleep(_POLL_SECONDS)


def download(stack: Stack, job_id: str, target: Path) -> None:
    """Write the results of a final job to `target`, checked against the manifest's hashes."""
    url = f"{stack.api_url}/api/v1/jobs/{job_id}/results"
    results = api.call("GET", url, stack.api_key).json()
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.with_suffix(".part")
    with draft.open("wb") as file:
        for part in sorted(results["parts"], key=lambda part: part["first_index"]):
            body = _fetch(part["url"])
            if hashlib.sha256(body).hexdigest() != part["sha256"]:
                raise LocalError(f"A results part of {job_id} differs from its sha256.")
            file.write(body)
    draft.replace(target)


def _fetch(url: str) -> bytes:
    """Return what a presigned link points to."""
    answer = api.send("GET", url)
    if answer.status != 200:
        raise LocalError(f"A results link was refused ({answer.status}): {url}")
    return answer.body


def _with_result(line: dict[str, Any]) -> dict[str, Any]:
    """Return the line with its result, fetched where the line only links to it."""
    if "result_url" in line and line.get("result") is None:
        return line | {"result": json.loads(_fetch(line["result_url"]))}
    return line


def lines(results: Path) -> Iterator[dict[str, Any]]:
    """Yield the lines of a results file, each with its result."""
    with results.open() as file, ThreadPoolExecutor(_FETCHES_AT_ONCE) as pool:
        yield from pool.map(_with_result, map(json.loads, file))
