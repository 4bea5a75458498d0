"""Measure Celery from the first task that is sent to the last result in the table."""

from __future__ import annotations

import os
import time
from collections import Counter
from pathlib import Path
from typing import Any

from local import aws
from local.paths import ROOT, venv_bin
from local.processes import Identity
from local.scope import Scope
from local.stack import Running
from tests.bench import cpu
from tests.bench.peer.cost import Cost

WORKERS, PROCESSES = 2, 2
WARM_TASKS = 50
"""Sent and run before: queue, table and processes are there then."""
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


def cost(running: Running, tasks: int) -> Cost:
    """Run workers and sender, warm; return what it took. Raises TimeoutError."""
    endpoint_url = running.stack.endpoint_url
    dynamo = aws.client("dynamodb", endpoint_url)
    _create(dynamo, aws.client("sqs", endpoint_url))
    with Scope() as scope:
        folder, env = scope.folder("peer"), _environment(endpoint_url)
        go = folder / "go"
        peers = [
            scope.spawn(command, env=env, cwd=ROOT, log=folder / f"{name}.log")
            for name, command in _commands(tasks, go).items()
        ]
        _wait(dynamo, WARM_TASKS, folder)
        before, begun = _used(running, peers), time.perf_counter()
        go.touch()
        _wait(dynamo, WARM_TASKS + tasks, folder)
        seconds = time.perf_counter() - begun
        used = cpu.since(_used(running, peers), before)
        return Cost("Celery 5.7, SQS and DynamoDB", tasks, seconds, used)


def _used(running: Running, peers: list[Identity]) -> Counter[str]:
    """Return CPU milliseconds so far; the product's own workers, idle meanwhile, are left out."""
    emulator = cpu.read(running)[cpu.EMULATOR]
    return Counter({cpu.EMULATOR: emulator, "Celery": sum(cpu.of_tree(peer.pid) for peer in peers)})


def _create(dynamo: Any, sqs: Any) -> None:
    """Make queue and table first: workers and sender, which begin together, would each try to, and one fail."""
    sqs.create_queue(QueueName="peer-celery", Attributes={"VisibilityTimeout": "60"})
    dynamo.create_table(
        TableName="peer-results",
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        BillingMode="PAY_PER_REQUEST",
    )


def _commands(tasks: int, go: Path) -> dict[str, list[str | Path]]:
    """Return the commands of the workers and the sender, by name."""
    python = venv_bin("bench") / "python"
    quiet = ["--without-gossip", "--without-mingle", "--without-heartbeat", "--loglevel=WARNING"]
    pool = ["--pool=prefork", f"--concurrency={PROCESSES}", *quiet]
    worker: list[str | Path] = [python, "-m", "celery", "-A", _MODULE, "worker", *pool]
    commands = {f"worker-{n}": [*worker, "-n", f"peer-{n}@%h"] for n in range(WORKERS)}
    commands["sender"] = [python, "-m", _MODULE, str(WARM_TASKS), str(tasks), go]
    return commands


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
