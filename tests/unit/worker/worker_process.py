"""`python -m worker` on fakes: a process that a test signals, and that says at its end what it told.

Arguments: the thread that signals come to (`main` or `other`), lease and drain in seconds, then for each
message the file that its task waits for.
"""

from __future__ import annotations

import signal
import sys
import threading
from pathlib import Path
from typing import Any

from tests.unit.worker.conftest import JOB, make_settings, message
from tests.unit.worker.fakes.api import FakeApi
from tests.unit.worker.fakes.buckets import FakeBuckets
from tests.unit.worker.fakes.queue import FakeQueue
from worker import command
from worker.log import Log, write_line
from worker.parts import Parts

HANDLERS = str(Path(__file__).with_name("sample_lease_handlers.py"))


def main(signals_to: str, lease_seconds: str, drain_seconds: str, *gates: str) -> int:
    """Run a worker with a slot for each message; print what was told and deleted."""
    if signals_to == "other":
        threading.Thread(target=threading.Event().wait, daemon=True).start()
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM, signal.SIGINT])
    queue, api = FakeQueue(), FakeApi()
    api.add_job(JOB)
    for number, gate in enumerate(gates):
        queue.send(message("lease.pid", gate, start=number, stop=number + 1))
    settings = make_settings(
        slots=len(gates),
        lease_seconds=int(lease_seconds),
        drain_seconds=float(drain_seconds),
        sources=(HANDLERS,),
    )
    changes: dict[str, Any] = {
        "read_settings": lambda _: settings,
        "_parts": lambda settings, log, health, meters, until_empty: Parts(
            settings,
            queue,
            api,
            FakeBuckets(),
            log,
            until_empty=until_empty,
            health=health,
            meters=meters,
        ),
    }
    vars(command).update(changes)
    code = command.run([])
    told = {
        "reported": sorted(report.index for report in api.reports),
        "interrupted": sorted(index for item in api.unstarted for index in item.interrupted),
        "deleted": len(queue.deleted),
    }
    Log(write=write_line).info("told", **told)
    return code


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
