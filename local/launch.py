"""Start a stack: emulator, build, deployment, key, workers."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from local import api, aws, deploy, emulator, site, stack
from local.errors import LocalError
from local.faults import setting as fault_setting
from local.faults.knobs import Faults
from local.paths import ROOT, tail, venv_bin
from local.phases import Phases
from local.processes import Identity, alive
from local.scope import Scope

_STARTED_WITHIN_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Options:
    """What a person may choose: PORT=, EMULATOR=, WORKERS=, HANDLERS=, FAULTS= of the commands."""

    port: int | None = None
    workers: int = 2
    handlers: str = ""
    auth: bool = False
    site: bool = False
    """Build and serve the site; needs Node.js, and goes on without where there is none."""
    hooks: Mapping[str, str] = field(default_factory=dict)
    """Added to the environment of functions and workers: measuring and fault injection hang here."""
    faults: Faults = field(default_factory=Faults)
    external: str = ""
    """Address of an emulator that somebody else runs; empty: the stack starts its own."""


@contextmanager
def threads(scope: Scope) -> Iterator[ThreadPoolExecutor]:
    """Yield a pool for steps that run beside each other; a failure or an interruption ends all.

    Signals interrupt the main thread alone, so what a step starts from here is always registered.
    """
    pool = ThreadPoolExecutor(8)
    try:
        yield pool
    except BaseException:
        scope.close()
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def slots(workers: int) -> int:
    """Return the slots of each worker: one more than its share of the cores, for the waits."""
    return max(1, (os.cpu_count() or 2) // max(1, workers)) + 1


def handler_paths(handlers: str) -> str:
    """Return HANDLERS with each path made absolute; a module name stays as it is."""
    names = [name.strip() for name in handlers.split(",") if name.strip()]
    return ",".join(str(Path(name).resolve()) if Path(name).exists() else name for name in names)


def worker_environment(deployed: stack.Stack, options: Options) -> dict[str, str]:
    """Return the environment of a worker process."""
    env = {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": os.environ.get("HOME", str(ROOT)),
        "LANG": "C.UTF-8",
        "PYTHONPATH": os.pathsep.join([str(ROOT / "layers" / "core"), str(ROOT)]),
        "TASK_QUEUE_URL": deployed.queues["tasks"],
        "EXPRESS_QUEUE_URL": deployed.queues["express"],
        "WORK_API_URL": deployed.work_api_url,
        "DATA_BUCKET": deployed.buckets["data"],
        "RESULTS_BUCKET": deployed.buckets["results"],
        "WORKER_SLOTS": os.environ.get("WORKER_SLOTS", str(slots(options.workers))),
        "HANDLERS": handler_paths(options.handlers),
        # A drain waits for the receive that is under way: at the prompt, nobody waits 20 seconds.
        "RECEIVE_WAIT_SECONDS": "2",
        # Several of them on one machine: each takes a port that is free, which `make status` tells.
        "WORKER_HTTP_HOST": "127.0.0.1",
        "WORKER_HTTP_PORT": "0",
        "LOG_LEVEL": os.environ.get("LOG_LEVEL", "INFO"),
    }
    if lease := os.environ.get("LEASE_SECONDS") or fault_setting.lease_seconds(options.faults):
        env["LEASE_SECONDS"] = lease
    hooks = dict(options.hooks)
    if "PYTHONPATH" in hooks:
        hooks["PYTHONPATH"] += os.pathsep + env["PYTHONPATH"]
    return env | aws.environment(deployed.endpoint_url) | hooks


def start_workers(
    scope: Scope, deployed: stack.Stack, options: Options, folder: Path
) -> tuple[Identity, ...]:
    """Start the workers, each with a log of its own."""
    temporary = folder / "tmp"
    temporary.mkdir(exist_ok=True)
    env = worker_environment(deployed, options) | {"TMPDIR": str(temporary)}
    python = venv_bin("local") / "python"
    return tuple(
        scope.spawn(
            [python, "-m", *fault_setting.worker_command(options.faults)],
            env=env | fault_setting.stopper(options.faults, number, deployed.state_machine_arn),
            cwd=ROOT,
            log=folder / f"worker-{number}.log",
        )
        for number in range(1, options.workers + 1)
    )


def check_workers(running: stack.Running) -> None:
    """Wait until each worker says that it has started; raises LocalError when one has ended."""
    until = time.monotonic() + _STARTED_WITHIN_SECONDS
    for number, worker in enumerate(running.workers, 1):
        log = running.worker_log(number)
        while '"event":"started"' not in log.read_text() and time.monotonic() < until:
            if not alive(worker):
                raise LocalError(f"Worker {number} has ended. The end of its log:\n{tail(log)}")
            time.sleep(0.1)


def _deploy(
    scope: Scope, phases: Phases, pool: ThreadPoolExecutor, options: Options, folder: Path
) -> tuple[emulator.Emulator, dict[str, str]]:
    """Start the emulator while sam builds, then deploy."""

    def start() -> emulator.Emulator:
        with phases.phase("start the emulator"):
            if options.external:
                return emulator.external(scope, options.external)
            return emulator.start(scope, port=options.port, auth=options.auth, extra=options.hooks)

    starting = pool.submit(start)
    with ExitStack() as building:
        with phases.phase("sam build"):
            template = building.enter_context(deploy.built(scope, folder))
        running = starting.result()
        with phases.phase("sam deploy"):
            return running, deploy.deploy(scope, running, template, folder, site=options.site)


def _serve_site(
    phases: Phases, running: emulator.Emulator, outputs: Mapping[str, str], built: Path
) -> str:
    """Put the built site into its bucket; return its address."""
    with phases.phase("upload the site"):
        site.upload(built, running.endpoint_url, outputs["SiteBucket"])
    return site.address(running.endpoint_url, outputs["SiteDomain"])


def launch(
    scope: Scope, phases: Phases, pool: ThreadPoolExecutor, options: Options
) -> stack.Running:
    """Start a whole stack and return it; raises LocalError. Runs in a thread of the pool.

    Its faults wait until they are armed: a stack that is being started is none of their business.
    """
    folder = scope.folder("stack")
    options = replace(
        options, hooks=fault_setting.hooks(options.faults, folder) | dict(options.hooks)
    )
    building = pool.submit(site.build_if_possible, scope) if options.site else None
    running, outputs = _deploy(scope, phases, pool, options, folder)
    deployed = stack.of_outputs(outputs, running.endpoint_url, api_key="")
    with phases.phase("make an API key"):
        key = api.mint_key(deployed.api_url, "local")
    built = building.result() if building else None
    site_url = _serve_site(phases, running, outputs, built) if built else None
    deployed = stack.of_outputs(outputs, running.endpoint_url, key, site_url)
    workers = start_workers(scope, deployed, options, folder)
    return stack.Running(deployed, running.process, workers, folder, running.folder)
