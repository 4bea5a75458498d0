"""The command: arguments, settings from the environment, AWS behind the ports, signals to the drain."""

from __future__ import annotations

import argparse
import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from worker.aws.buckets import S3Buckets
from worker.aws.clients import make_session
from worker.aws.queue import SqsQueue
from worker.aws.server_time import ServerTime
from worker.aws.work_api import SignedWorkApi
from worker.clock import clock
from worker.core import Worker
from worker.health import Health
from worker.log import Log
from worker.metrics import Meters
from worker.parts import Parts
from worker.ports import Unavailable
from worker.probes import NotServed, Probes
from worker.settings import InvalidSetting, Settings, read_settings

EXIT_USAGE = 2
_DESCRIPTION = (
    "Receive tasks, run their handlers, report what came of them. Settings: docs/local.md."
)
_EXIT_CODES = """exit codes: 0 drained, or the queue was empty; 1 the handlers cannot be loaded; 2 an argument
or a setting is wrong, or there are no credentials; 143 (SIGTERM) or 130 (SIGINT) stopped before it had
received anything or, with --until-empty, before the queue was empty"""


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Read the command line. Unknown arguments print the usage and end the process with 2."""
    parser = argparse.ArgumentParser(
        prog="python -m worker",
        description=_DESCRIPTION,
        epilog=_EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument(
        "--until-empty",
        action="store_true",
        help="end when for UNTIL_EMPTY_SECONDS nothing was received or held",
    )
    return parser.parse_args(arguments)


def run(arguments: Sequence[str]) -> int:
    """Run a worker; return its exit code."""
    chosen = parse(arguments)
    log = Log()
    try:
        settings = read_settings(os.environ)
        log = Log(settings.log_level).bind(worker_id=settings.worker_id)
        health, meters = Health(clock), Meters()
        with _served(settings, health, meters, log):
            parts = _parts(settings, log, health, meters, until_empty=chosen.until_empty)
            worker = Worker(parts, log, settings.drain_seconds, until_empty=chosen.until_empty)
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, lambda number, _: worker.stop(number))
            return worker.run()
    except InvalidSetting as error:
        log.error("invalid_setting", reason=str(error))
    except NotServed as error:
        log.error("not_served", reason=str(error))
    except Unavailable as error:
        log.error("no_credentials", reason=str(error))
    return EXIT_USAGE


@contextmanager
def _served(settings: Settings, health: Health, meters: Meters, log: Log) -> Iterator[None]:
    """Serve probes and metrics meanwhile, unless they are off. Raises NotServed."""
    if settings.http_port is None:
        yield
        return
    probes = Probes(settings.http_host, settings.http_port, health, meters)
    log.info("serving", host=settings.http_host, port=probes.port)
    try:
        yield
    finally:
        probes.close()


def _parts(
    settings: Settings, log: Log, health: Health, meters: Meters, *, until_empty: bool
) -> Parts:
    time = ServerTime()
    session = make_session(settings.region, time)
    seconds = {"lease_seconds": settings.lease_seconds, "wait_seconds": settings.wait_seconds}
    queue, express = SqsQueue(session, settings.queue_url, **seconds), None
    if settings.express_queue_url is not None:
        express = SqsQueue(session, settings.express_queue_url, **seconds)
    api = SignedWorkApi(session, settings.work_api_url, settings.region, time)
    buckets = S3Buckets(session, settings.data_bucket, settings.results_bucket)
    outside = None
    if settings.containers is not None:
        from worker.containers.connect import connect  # Kubernetes' client is large.

        outside = connect(session, settings.containers, settings.results_bucket)
    return Parts(
        settings,
        queue,
        api,
        buckets,
        log,
        until_empty=until_empty,
        health=health,
        meters=meters,
        outside=outside,
        express=express,
    )
