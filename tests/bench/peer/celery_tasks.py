"""Celery on SQS with results in DynamoDB, tuned for short tasks as its documents advise.

Runs in an environment of its own (`.local/venvs/bench`): as a worker, and as the program that sends.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Any

from celery import Celery  # type: ignore[import-not-found]

PORT = os.environ["PEER_PORT"]
app: Any = Celery("peer")
app.conf.update(
    broker_url=f"sqs://test:test@127.0.0.1:{PORT}//",
    broker_transport_options={
        "region": "us-east-1",
        "is_secure": False,
        "queue_name_prefix": "peer-",
        "visibility_timeout": 60,
        # Long polls alone: no pause after an empty one.
        "wait_time_seconds": 10,
        "polling_interval": 0,
    },
    result_backend=f"dynamodb://test:test@127.0.0.1:{PORT}/peer-results",
    # Short tasks: fetch far ahead, so that no process waits for a round trip.
    worker_prefetch_multiplier=64,
    worker_send_task_events=False,
    task_track_started=False,
    task_ignore_result=False,
    task_compression=None,
    broker_pool_limit=10,
)


@app.task(name="peer.noop")  # type: ignore[untyped-decorator]
def noop(index: int) -> int:
    """Do nothing."""
    return index


def _send(first: int, then: int, go: Path) -> None:
    """Send some tasks; the rest once a file is there, so that no start-up is in what is measured."""
    for number in range(first):
        noop.delay(number)
    while not go.exists():
        time.sleep(0.005)
    for number in range(then):
        noop.delay(number)


if __name__ == "__main__":
    _send(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]))
