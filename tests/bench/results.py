"""Results of 100,000 tasks (TASKS=n): how fast they are downloaded, beside the same bytes alone."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any
from uuid import uuid4

from local import api, aws, job_client
from local.errors import LocalError
from local.stack import Stack
from tests.bench import floor, throughput

TASKS = "100000"
GOAL_RESULTS_PER_SECOND = 10_000
_TIMES = 5


def measure(stack: Stack, folder: Path) -> None:
    """Run a job, download its results, print results a second and what the emulator alone takes."""
    tasks = throughput.one_size(os.environ.get("TASKS") or TASKS)
    print(f"\nResults of {tasks:,} no-op tasks, the median of {_TIMES} downloads", flush=True)
    job_id = str(throughput.run(stack, tasks).job["job_id"])
    target = folder / "results.jsonl"
    taken = median(floor.seconds(lambda: download(stack, job_id, tasks, target), _TIMES))
    size = target.stat().st_size
    with _links(stack, _sizes(stack, job_id)) as urls:
        alone = median(floor.seconds(lambda: _fetch(urls, target), _TIMES))
    print(f"  {size:,} bytes; results a second (goal {GOAL_RESULTS_PER_SECOND:,})")
    print(f"  by the results route, hashes checked {tasks / taken:>12,.0f}")
    print(f"  objects of that size alone, the floor{tasks / alone:>12,.0f}", flush=True)


def download(stack: Stack, job_id: str, tasks: int, target: Path) -> None:
    """Download the results of a job as a client does. Raises LocalError where some are missing."""
    job_client.download(stack, job_id, target)
    with target.open("rb") as file:
        lines = sum(1 for _ in file)
    if lines != tasks:
        raise LocalError(f"{lines:,} results of {tasks:,} tasks came.")


def _sizes(stack: Stack, job_id: str) -> list[int]:
    """Return the bytes of each part."""
    url = f"{stack.api_url}/api/v1/jobs/{job_id}/results"
    return [part["bytes"] for part in api.call("GET", url, stack.api_key).json()["parts"]]


@contextmanager
def _links(stack: Stack, sizes: Sequence[int]) -> Iterator[list[str]]:
    """Put objects of these sizes beside the results, and yield links to them."""
    s3: Any = aws.client("s3", stack.endpoint_url)
    places = [{"Bucket": stack.buckets["results"], "Key": f"bench/{uuid4().hex}"} for _ in sizes]
    for place, size in zip(places, sizes, strict=True):
        s3.put_object(**place, Body=os.urandom(size))
    yield [s3.generate_presigned_url("get_object", Params=place) for place in places]
    for place in places:
        s3.delete_object(**place)


def _fetch(urls: Sequence[str], target: Path) -> None:
    with target.open("wb") as file:
        for url in urls:
            file.write(api.send("GET", url).body)
