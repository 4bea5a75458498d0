"""Measure Celery: tasks a second from the first that is sent to the last result in the table."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from local import aws
from local.paths import ROOT, venv_bin
from local.scope import Scope

WORKERS, PROCESSES = 2, 2
_PATIENCE_SECONDS = 300
_MODULE = "tests.bench.peer.celery_tasks"


def _environment(endpoint_url: str) -> dict[str, str]:
    port = endpoint_url.rpartition(":")[2]
    paths = {"PATH": os.defpath, "PYTHONPATH": str(ROOT), "HOME": str(ROOT), "LANG": "C.UTF-8"}
    return aws.environment(endpoint_url) | paths | {"PEER_PORT": port, "C_FORCE_ROOT": "1"}


def _results(dynamo: Any) -> int:
    """Return how many results the table holds."""
    pages = dynamo.get_paginator("scan").paginate(TableName="peer-results", Select="COUNT")
    return sum(page["Count"] for page in pages)


def tasks_per_second(endpoint_url: str, tasks: int) -> float:
    """Run workers and sender; return the rate. Raises TimeoutError."""
    dynamo = aws.client("dynamodb", endpoint_url)
    _create(dynamo, aws.client("sqs", endpoint_url))
    with Scope() as scope:
        folder, env = scope.folder("peer"), _environment(endpoint_url)
        for number in range(WORKERS):
            scope.spawn(_worker(number), env=env, cwd=ROOT, log=folder / f"worker-{number}.log")
        # Warm: the queue, the table and the processes are there.
        _send(scope, env, folder, 50)
        _wait(dynamo, 50, folder)
        begun = time.perf_counter()
        _send(scope, env, folder, tasks)
        _wait(dynamo, 50 + tasks, folder)
        return tasks / (time.perf_counter() - begun)


def _create(dynamo: Any, sqs: Any) -> None:
    """Make queue and table first: workers and sender, which begin together, would each try to, and one fail."""
    sqs.create_queue(QueueName="peer-celery", Attributes={"VisibilityTimeout": "60"})
    dynamo.create_table(
        TableName="peer-results",
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        BillingMode="PAY_PER_REQUEST",
    )


def _worker(number: int) -> list[str | Path]:
    quiet = ["--without-gossip", "--without-mingle", "--without-heartbeat", "--loglevel=WARNING"]
    pool = ["--pool=prefork", f"--concurrency={PROCESSES}", "-n", f"peer-{number}@%h"]
    python = venv_bin("bench") / "python"
    return [python, "-m", "celery", "-A", _MODULE, "worker", *pool, *quiet]


def _send(scope: Scope, env: dict[str, str], folder: Path, tasks: int) -> None:
    scope.spawn(
        [venv_bin("bench") / "python", "-m", _MODULE, str(tasks)],
        env=env,
        cwd=ROOT,
        log=folder / "sender.log",
    )


def _wait(dynamo: Any, results: int, folder: Path) -> None:
    give_up = time.monotonic() + _PATIENCE_SECONDS
    while True:
        try:
            if _results(dynamo) >= results:
                return
        except dynamo.exceptions.ResourceNotFoundException:
            pass
        if time.monotonic() > give_up:
            logs = [log.read_text()[-1500:] for log in folder.glob("*.log")]
            raise TimeoutError("\n".join(["Celery did not finish", *logs]))
        time.sleep(0.25)
