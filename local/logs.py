"""`logs`: follow the functions' logs and the workers', until Ctrl-C."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from local import aws, stack
from local.errors import LocalError
from local.paths import STACK_FILE

_POLL_SECONDS = 1.0
_BACK_MS = 60_000


class Followed:
    """A log file, read on from where it was read to."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0
        self._rest = b""

    def lines(self) -> Iterator[str]:
        """Yield the whole lines that are new; half a line waits for its end."""
        if not self._path.exists():
            return
        with self._path.open("rb") as file:
            file.seek(self._offset)
            read = file.read()
        self._offset += len(read)
        *whole, self._rest = (self._rest + read).split(b"\n")
        yield from (line.decode(errors="replace") for line in whole)


class Group:
    """A log group, read on from the newest event seen; events of one time may come in pieces."""

    def __init__(self, client: Any, name: str, since_ms: int) -> None:
        self._client = client
        self._name = name
        self._since_ms = since_ms
        self._seen: set[tuple[str, int, str]] = set()

    def lines(self) -> Iterator[str]:
        """Yield the messages that are new."""
        pages = self._client.get_paginator("filter_log_events").paginate(
            logGroupName=self._name, startTime=self._since_ms
        )
        for event in (event for page in pages for event in page["events"]):
            # The emulator gives events no id.
            known = (event["logStreamName"], event["timestamp"], event["message"])
            if known in self._seen:
                continue
            self._since_ms = max(self._since_ms, event["timestamp"])
            self._seen.add(known)
            yield event["message"].rstrip()


def _groups(client: Any, since_ms: int, known: dict[str, Group]) -> dict[str, Group]:
    """Return the log groups there are now, those known ones as they are."""
    pages = client.get_paginator("describe_log_groups").paginate()
    names = (group["logGroupName"] for page in pages for group in page["logGroups"])
    return {name: known.get(name) or Group(client, name, since_ms) for name in names}


def _print_new(sources: dict[str, Group] | dict[str, Followed]) -> None:
    for name, source in sources.items():
        short = name.rpartition("/")[2]
        for line in source.lines():
            print(f"[{short}] {line}", flush=True)


def follow() -> int:
    """Print what functions and workers log, from a minute ago on."""
    running = stack.read(STACK_FILE)
    if running is None:
        raise LocalError("Nothing runs: make up starts a stack.")
    client = aws.client("logs", running.stack.endpoint_url)
    since_ms = int(time.time() * 1000) - _BACK_MS
    files = {
        f"worker-{number}": Followed(running.worker_log(number))
        for number in range(1, len(running.workers) + 1)
    }
    groups: dict[str, Group] = {}
    while running.emulator_lives:
        try:
            groups = _groups(client, since_ms, groups)
            _print_new(groups)
        except (BotoCoreError, ClientError) as error:
            print(f"[logs] {error}", flush=True)
        _print_new(files)
        time.sleep(_POLL_SECONDS)
    print("The stack has ended.")
    return 0
