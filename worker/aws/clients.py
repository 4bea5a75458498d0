"""boto3 clients for many threads and for errors that mean "later"."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from boto3.session import Session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from worker.ports import Unavailable

_CONNECT_SECONDS = 5


def client(session: Session, service: Any, *, read_seconds: float, tries: int) -> Any:
    """Return a client whose calls end after `read_seconds` of silence."""
    config = Config(
        connect_timeout=_CONNECT_SECONDS,
        read_timeout=read_seconds,
        max_pool_connections=32,
        retries={"mode": "standard", "total_max_attempts": tries},
        tcp_keepalive=True,
    )
    return session.client(service, config=config)


@contextmanager
def later() -> Iterator[None]:
    """Turn what AWS and the network raise into Unavailable.

    Denied calls too: a role that is being repaired, or a queue that is back, lets the worker go on.
    """
    try:
        yield
    except (ClientError, BotoCoreError) as error:
        raise Unavailable(f"{type(error).__name__}: {error}") from error
