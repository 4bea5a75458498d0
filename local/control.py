"""`up`, `down` and `status`: a stack that stays until it is taken down."""

from __future__ import annotations

import fcntl
import re
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from local import api, launch, stack
from local.emulator import healthy
from local.errors import LocalError
from local.faults import ledger, setting
from local.paths import LOCAL, STACK_FILE, remove
from local.phases import Phases
from local.processes import alive, port_is_free, stop_groups
from local.scope import Scope

_USUAL_PORT = 4566


@contextmanager
def _alone() -> Iterator[None]:
    """Hold the lock of the one stack that `up` and `down` are about."""
    LOCAL.mkdir(exist_ok=True)
    with (LOCAL / "up.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def curl_lines(running: stack.Stack) -> str:
    """Return commands that work as pasted: submit, read, failed tasks, results."""
    url = shlex.quote(f"{running.api_url}/api/v1")
    body = '{"name":"hello","handler":"echo","tasks":{"items":[{"n":1},{"n":2},{"n":3}]}}'
    take_id = "python3 -c 'import json,sys; print(json.load(sys.stdin)[\"job_id\"])'"
    return "\n".join(
        [
            f"  API={url}",
            f"  AUTH={shlex.quote('Authorization: Bearer ' + running.api_key)}",
            "  # submit",
            '  JOB=$(curl -sS -H "$AUTH" -H "Content-Type: application/json" \\',
            f'    -d {shlex.quote(body)} "$API/jobs" | {take_id}); echo "$JOB"',
            "  # read until it ends, list the failed tasks, get the results",
            '  until curl -sS -H "$AUTH" "$API/jobs/$JOB" | tee /dev/stderr \\',
            '    | grep -qE \'"state": ?"(SUCCEEDED|FAILED|CANCELLED)"\'; do sleep 1; done',
            '  curl -sS -H "$AUTH" "$API/jobs/$JOB/tasks?state=FAILED"',
            '  curl -sS -H "$AUTH" "$API/jobs/$JOB/results"',
        ]
    )


def _describe(running: stack.Running) -> None:
    """Print how the running stack is used."""
    print(f"\nSite {running.stack.site_url or 'left out: see docs/site.md'}")
    print(f"API  {running.stack.api_url}/api/v1   (docs: {running.stack.api_url}/api/v1/docs)")
    print(f"AWS  {running.stack.endpoint_url}   (all in {STACK_FILE})")
    print(f"Logs {running.folder}   (make logs follows them)\n")
    print(curl_lines(running.stack))
    if running.stack.site_url:
        print(f"\nSign in to the site with the key {running.stack.api_key}")
    print("\nmake status says what runs, make down ends it.", flush=True)


def _take_down(running: stack.Running) -> None:
    """End what still runs of a stack and remove what it left on disk."""
    stop_groups(running.processes)
    for folder in (running.folder, running.emulator_folder):
        remove(folder)
    STACK_FILE.unlink(missing_ok=True)


def up(options: launch.Options) -> int:
    """Start a stack and leave it running; a whole one is left as it is, a half one replaced."""
    with _alone():
        running = stack.read(STACK_FILE)
        if running and running.complete:
            print("The stack already runs (make down ends it).")
            _describe(running)
            return 0
        if running:
            print("A part of the stack has ended: taking down the rest first.")
            _take_down(running)
        started = _start(options)
    _describe(started)
    return 0


def _start(options: launch.Options) -> stack.Running:
    """Start a stack that outlives this command, on the usual port if nobody has it."""
    if not options.external and options.port is None and port_is_free(_USUAL_PORT):
        options = replace(options, port=_USUAL_PORT)
    phases = Phases()
    with Scope() as scope, launch.threads(scope) as pool:
        started = pool.submit(launch.launch, scope, phases, pool, options).result()
        pool.submit(launch.check_workers, started).result()
        setting.begin(options.faults, started.folder)
        stack.write(started, STACK_FILE)
        scope.keep()
    return started


def down() -> int:
    """End the stack that `up` has started."""
    with _alone():
        running = stack.read(STACK_FILE)
        if running is None:
            print("Nothing runs.")
            return 0
        _take_down(running)
    print("The stack has ended.")
    if running.emulator is None:
        print(f"What was deployed to {running.stack.endpoint_url} stays there: it is not ours.")
    return 0


def _api_works(running: stack.Running) -> bool:
    """Return whether the product's API answers."""
    try:
        return api.send("GET", f"{running.stack.api_url}/api/v1/health").status == 200
    except LocalError:
        return False


def probes_address(log: Path) -> str:
    """Return where a worker serves its probes and metrics, by the newest word of its log; else empty."""
    text = log.read_text() if log.exists() else ""
    served = re.findall(r'"event":"serving".*"host":"([^"]*)","port":(\d+)', text)
    return "http://{}:{}/metrics".format(*served[-1]) if served else ""


def status() -> int:
    """Say which parts run; 0 when all do."""
    running = stack.read(STACK_FILE)
    if running is None:
        print("Nothing runs (make up starts a stack).")
        return 1
    parts = {f"API {running.stack.api_url}": running.emulator_lives and _api_works(running)}
    if running.emulator is not None:
        name = f"emulator (pid {running.emulator.pid}) {running.stack.endpoint_url}"
        parts[name] = running.emulator_lives and healthy(running.stack.endpoint_url)
    for number, worker in enumerate(running.workers, 1):
        log = running.worker_log(number)
        name = f"worker {number} (pid {worker.pid}) {log} {probes_address(log)}".rstrip()
        parts[name] = alive(worker)
    for name, works in parts.items():
        print(f"{'runs ' if works else 'ENDED'}  {name}")
    for kind, number in sorted(ledger.by_kind(setting.folder_of(running.folder)).items()):
        print(f"fault  {kind}: {number:,} so far")
    return 0 if all(parts.values()) else 1
