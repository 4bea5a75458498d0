"""`python -m worker`: settings from the environment, AWS behind the ports, signals to the drain."""

from __future__ import annotations

import os
import signal
import sys

from worker.aws.buckets import S3Buckets
from worker.aws.clients import make_session
from worker.aws.queue import SqsQueue
from worker.aws.server_time import ServerTime
from worker.aws.work_api import SignedWorkApi
from worker.core import Worker
from worker.log import Log
from worker.parts import Parts
from worker.ports import Unavailable
from worker.settings import InvalidSetting, Settings, read_settings


def main() -> int:
    """Run a worker; return its exit code (2: a setting is wrong, or there are no credentials)."""
    try:
        settings = read_settings(os.environ)
    except InvalidSetting as error:
        Log().error("invalid_setting", reason=str(error))
        return 2
    log = Log(settings.log_level).bind(worker_id=settings.worker_id)
    try:
        parts = _parts(settings, log)
    except Unavailable as error:
        log.error("no_credentials", reason=str(error))
        return 2
    worker = Worker(parts, log, settings.drain_seconds)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: worker.stop())
    return worker.run()


def _parts(settings: Settings, log: Log) -> Parts:
    time = ServerTime()
    session = make_session(settings.region, time)
    queue = SqsQueue(
        session,
        settings.queue_url,
        lease_seconds=settings.lease_seconds,
        wait_seconds=settings.wait_seconds,
    )
    api = SignedWorkApi(session, settings.work_api_url, settings.region, time)
    buckets = S3Buckets(session, settings.data_bucket, settings.results_bucket)
    return Parts(settings, queue, api, buckets, log)


if __name__ == "__main__":
    sys.exit(main())
