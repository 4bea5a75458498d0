"""`demo`: a stack of its own, one job over real files, a summary, and nothing left behind."""

from __future__ import annotations

import shutil
import time
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from local import dataset, job_client, launch, progress, summary
from local.dataset import DataFile
from local.errors import LocalError
from local.paths import LOCAL, RESULTS
from local.phases import Phases
from local.processes import alive
from local.scope import Scope
from local.stack import Running

_LOGS = LOCAL / "logs"
_LOGS_KEPT = 5


def job_body(files: Sequence[DataFile]) -> dict[str, Any]:
    """Return the job: one task a file."""
    items = [{"key": file.key, "name": file.name} for file in files]
    return {"name": "profile-files", "handler": "csv.profile", "tasks": {"items": items}}


def keep_logs(running: Running) -> Path:
    """Keep the logs of a run that went wrong, and the newest few of such runs; return where."""
    _LOGS.mkdir(parents=True, exist_ok=True)
    kept = _LOGS / time.strftime("demo-%Y%m%d-%H%M%S")
    kept.mkdir(exist_ok=True)
    for log in [*running.folder.glob("*.log"), running.emulator_folder / "emulator.log"]:
        if log.exists():
            shutil.copy(log, kept)
    for old in sorted(_LOGS.glob("demo-*"))[:-_LOGS_KEPT]:
        shutil.rmtree(old, ignore_errors=True)
    return kept


def _check(running: Running) -> None:
    """Raise LocalError when the emulator or every worker has ended."""
    if not running.emulator_lives:
        raise LocalError("The emulator has ended.")
    if not any(alive(worker) for worker in running.workers):
        raise LocalError("Every worker has ended.")


def _prepare(
    scope: Scope, phases: Phases, options: launch.Options, folder: str
) -> tuple[Running, list[DataFile]]:
    """Start the stack while the files are fetched, then upload them."""
    own = dataset.find(Path(folder)) if folder else None

    def take() -> list[DataFile]:
        with phases.phase("fetch the files"):
            return own or dataset.public(scope)

    with launch.threads(scope) as pool:
        taking = pool.submit(take)
        launching = pool.submit(launch.launch, scope, phases, pool, options)
        files = taking.result()
        running = launching.result()

        def upload() -> None:
            with phases.phase(f"upload {len(files):,} files"):
                bucket = running.stack.buckets["data"]
                stopped = lambda: scope.closed  # noqa: E731
                dataset.upload(files, running.stack.endpoint_url, bucket, stopped)

        pool.submit(upload).result()
    return running, files


def _run_job(running: Running, phases: Phases, files: Sequence[DataFile]) -> dict[str, Any]:
    """Submit the job and show its progress until it is final; return it."""
    began = time.monotonic()
    job_id = job_client.submit(running.stack, job_body(files), uuid.uuid4().hex)
    if running.stack.site_url:
        print(f"\nSite {running.stack.site_url}jobs/{job_id}  (key {running.stack.api_key})")
    print(f"\nJob {job_id}: csv.profile over {len(files):,} files", flush=True)
    with progress.view() as view:
        job = job_client.wait(running.stack, job_id, view, lambda: _check(running))
    phases.add("the job, submit to end", time.monotonic() - began)
    return job


def _report(
    running: Running, phases: Phases, files: Sequence[DataFile], job: dict[str, Any]
) -> None:
    """Fetch the results and print the summary."""
    results = RESULTS / f"{job['job_id']}.jsonl"
    with phases.phase("fetch the results"):
        job_client.download(running.stack, job["job_id"], results)
        found = summary.of_lines(job_client.lines(results), [file.name for file in files])
    print(f"\n{summary.render(found)}\n")
    print("Time by phase (some run beside each other):")
    for name, seconds in phases.seconds.items():
        print(f"  {name:<34}{seconds:6.1f} s")
    print(f"  {'all':<34}{phases.total:6.1f} s")
    print(f"\nResults  {results}")
    reason = f" ({job['state_reason']})" if job.get("state_reason") else ""
    print(f"Job      {job['job_id']} {job['state']}{reason}", flush=True)


def demo(options: launch.Options, folder: str) -> int:
    """Run the demo; 0 only when the job SUCCEEDED."""
    phases = Phases()
    with Scope() as scope:
        running, files = _prepare(scope, phases, options, folder)
        try:
            job = _run_job(running, phases, files)
            _report(running, phases, files, job)
        except LocalError as error:
            raise LocalError(f"{error}\nThe logs are in {keep_logs(running)}") from error
        if job["state"] != "SUCCEEDED":
            print(f"Logs     {keep_logs(running)}")
        return 0 if job["state"] == "SUCCEEDED" else 1
