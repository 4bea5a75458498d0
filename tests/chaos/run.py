"""One chaos run: a stack of its own, one job under all faults, the verdict, nothing left behind."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch

from local import aws, job_client, launch
from local.faults import ledger, setting
from local.faults.knobs import Faults
from local.paths import LOCAL
from local.phases import Phases
from local.scope import Scope
from local.stack import Running
from orchestrator.store import DynamoStore
from tests.chaos import client
from tests.chaos.plan import ATTEMPTS, MEMORY_BYTES, TIMEOUT_SECONDS, TIMEOUTS, WORKER_LOSSES
from tests.chaos.verdict import Verdict, judge_lines, judge_tables

RATES: Mapping[str, float] = {
    "kill_worker": 0.05,
    "stop_worker": 0.02,
    "duplicate": 0.02,
    "api_5xx": 0.1,
    "lost_reply": 0.05,
    "lost_call": 0.02,
    "throttle": 0.1,
    "partial": 0.1,
    "delay": 0.01,
    "lambda_timeout": 0.001,
    "stop_machine": 0.1,
}
WORKERS, SLOTS, LEASE_SECONDS = 5, 2, 10
STALLED_SECONDS = 480.0
"""The sweep needs up to seven minutes to call an execution dead that has no token and no progress."""
EMPTY_WITHIN_SECONDS = 120.0
_HANDLERS = str(Path(__file__).with_name("handlers.py"))
_POLL_SECONDS = 0.5
_TELL_SECONDS = 15.0


@dataclass
class Outcome:
    """What came of one seed."""

    seed: int
    tasks: int
    problems: list[str] = field(default_factory=list)
    faults: Counter[tuple[str, str]] = field(default_factory=Counter)
    seconds: dict[str, float] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    executions: int = 0
    logs: Path | None = None


def job_body(seed: int, tasks: int) -> dict[str, Any]:
    """Return the job: retries come soon, and failures are part of the plan."""
    return {
        "name": f"chaos-{seed}",
        "handler": "chaos.task",
        "tasks": {"count": tasks},
        "parameters": {"seed": seed},
        "timeout_seconds": TIMEOUT_SECONDS,
        "retry": {
            "max_attempts": ATTEMPTS,
            "max_timeouts": TIMEOUTS,
            "max_worker_losses": WORKER_LOSSES,
            "initial_seconds": 0.5,
            "max_seconds": 4,
        },
        "tolerated_failures": {"percent": 100},
    }


def options(seed: int, rates: Mapping[str, float]) -> launch.Options:
    """Return the stack: short leases, so that what a lost worker held comes back soon."""
    hooks = {
        "LEASE_SECONDS": str(LEASE_SECONDS),
        "WORKER_SLOTS": str(SLOTS),
        "WORKER_TASK_MEMORY_BYTES": str(MEMORY_BYTES),
    }
    return launch.Options(
        workers=WORKERS, handlers=_HANDLERS, hooks=hooks, faults=Faults(dict(rates), seed)
    )


def run(seed: int, tasks: int, rates: Mapping[str, float] = RATES) -> Outcome:
    """Run one seed from launch to the end of its last process; return what came of it."""
    outcome, phases = Outcome(seed, tasks), Phases()
    with Scope() as scope, launch.threads(scope) as pool:
        given = options(seed, rates)
        running = pool.submit(launch.launch, scope, phases, pool, given).result()
        pool.submit(launch.check_workers, running).result()
        folder = setting.folder_of(running.folder)
        try:
            _drive(outcome, running, folder)
        finally:
            outcome.faults = ledger.read(folder)
            if outcome.problems:
                outcome.logs = keep_logs(running, seed)
    outcome.seconds |= phases.seconds
    left = processes_of(running.folder)
    if left:
        outcome.problems.append(f"processes are left: {left}")
    return outcome


def _drive(outcome: Outcome, running: Running, folder: Path) -> None:
    """Submit under faults, wait for the end, then look with the faults off."""
    began = time.monotonic()
    ledger.arm(folder)
    job_id = client.submit(running.stack, job_body(outcome.seed, outcome.tasks), f"{outcome.seed}")
    try:
        _follow(outcome, running, job_id)
        outcome.seconds["the job under faults"] = time.monotonic() - began
        outcome.problems += _wait_until_empty(running)
    except TimeoutError as error:
        outcome.problems.append(str(error))
        return
    finally:
        ledger.disarm(folder)
    verdict = _judge(running, job_id, outcome)
    outcome.problems += verdict.problems


def _follow(outcome: Outcome, running: Running, job_id: str) -> None:
    """Read the job until it is final; its counts are the total in every answer. Raises TimeoutError."""
    seen: Any = None
    began = since = told = time.monotonic()
    while True:
        job = client.get(running.stack, f"/jobs/{job_id}")
        if job["total"] is not None and sum(job["counts"].values()) != job["total"]:
            outcome.problems.append(f"counts {job['counts']} of {job['total']}")
        if job["counts"] != seen:
            seen, since = job["counts"], time.monotonic()
            outcome.counts = seen
        if time.monotonic() - told > _TELL_SECONDS:
            told = time.monotonic()
            print(f"  {told - began:5.0f} s {job['state']} {seen}", flush=True)
        if job["state"] in client.FINAL:
            return
        if time.monotonic() - since > STALLED_SECONDS:
            raise TimeoutError(f"no progress for {STALLED_SECONDS:.0f} s: {job['state']} {seen}")
        time.sleep(_POLL_SECONDS)


def _wait_until_empty(running: Running) -> list[str]:
    """Wait until both queues are empty; return what is still in one."""
    sqs = aws.client("sqs", running.stack.endpoint_url)
    give_up = time.monotonic() + EMPTY_WITHIN_SECONDS
    while True:
        left: dict[str, int] = {}
        for name, url in running.stack.queues.items():
            attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])[
                "Attributes"
            ]
            numbers = {k: int(v) for k, v in attributes.items() if "NumberOfMessages" in k}
            left |= {f"{name} {k}": v for k, v in numbers.items() if v}
        if not left:
            return []
        if time.monotonic() > give_up:
            return [f"messages are left: {left}"]
        time.sleep(_POLL_SECONDS)


def _judge(running: Running, job_id: str, outcome: Outcome) -> Verdict:
    """Hold tables, results and the product's own audit against the plan."""
    stack = running.stack
    with patch.dict(os.environ, aws.environment(stack.endpoint_url)):
        store = DynamoStore(
            jobs_table=stack.tables["jobs"],
            tasks_table=stack.tables["tasks"],
            workers_table=stack.tables["workers"],
            region=stack.region,
            endpoint_url=stack.endpoint_url,
        )
        verdict = judge_tables(store, job_id, outcome.seed, outcome.tasks)
        job = store.get_job(job_id)
        outcome.executions = job.exec if job is not None else 0
    with tempfile.TemporaryDirectory() as folder:
        results = Path(folder, "results.jsonl")
        job_client.download(stack, job_id, results)
        judge_lines(verdict, job_client.lines(results))
    for page in _audit(running, job_id):
        verdict.check(page["verdict"] == "clean", f"the audit says {json.dumps(page)[:500]}")
    return verdict


def _audit(running: Running, job_id: str) -> Iterator[dict[str, Any]]:
    """Yield the pages of the product's own audit."""
    cursor = ""
    while True:
        page = client.get(running.stack, f"/jobs/{job_id}/audit{cursor}")
        yield page
        if page["next_cursor"] is None:
            return
        cursor = f"?cursor={page['next_cursor']}"


def keep_logs(running: Running, seed: int) -> Path:
    """Keep what workers, emulator and functions logged in a run that went wrong; return where."""
    kept = LOCAL / "chaos" / f"logs-{seed}"
    shutil.rmtree(kept, ignore_errors=True)
    kept.mkdir(parents=True)
    for log in [*running.folder.glob("*.log"), running.emulator_folder / "emulator.log"]:
        if log.exists():
            shutil.copy(log, kept)
    shutil.copytree(setting.folder_of(running.folder), kept / "faults")
    logs = aws.client("logs", running.stack.endpoint_url)
    for name in running.stack.functions.values():
        pages = logs.get_paginator("filter_log_events").paginate(logGroupName=f"/aws/lambda/{name}")
        events = [event["message"] for page in pages for event in page["events"]]
        (kept / f"{name}.log").write_text("\n".join(events))
    return kept


def processes_of(folder: Path) -> list[str]:
    """Return the processes that still run and have the stack's folder in their environment."""
    return [f"{pid} {command}" for pid, command in _environments_with(str(folder).encode())]


def _environments_with(mark: bytes) -> Iterator[tuple[int, str]]:
    for entry in os.listdir("/proc"):
        if entry.isdigit() and int(entry) != os.getpid():
            try:
                if mark in Path("/proc", entry, "environ").read_bytes():
                    command = Path("/proc", entry, "cmdline").read_bytes()
                    yield int(entry), command.replace(b"\0", b" ").decode()
            except OSError:
                continue
