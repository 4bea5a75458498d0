"""The boto3 session and its clients: for many threads, for wrong clocks, for errors that mean "later"."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from boto3.session import Session
from botocore.config import Config
from botocore.credentials import ReadOnlyCredentials
from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError
from urllib3.exceptions import HTTPError

from worker.aws.server_time import ServerTime
from worker.ports import Unavailable

_CONNECT_SECONDS = 5
_PASSING = (ClientError, BotoCoreError, ResponseParserError, HTTPError, OSError, RuntimeError)
"""Also what botocore lets through: an answer cut off or not AWS's, a token's file that cannot be read,
and (RuntimeError) credentials that were renewed and are expired all the same."""


def make_session(region: str, time: ServerTime) -> Session:
    """Return a session that signs by the servers' time. Raises Unavailable without credentials."""
    session = Session(region_name=region)
    with later():
        time.attach(session)
        credentials = session.get_credentials()
    if credentials is None:
        raise Unavailable("no AWS credentials were found")
    return session


def frozen_credentials(session: Session) -> ReadOnlyCredentials:
    """Return the credentials of this moment. Raises Unavailable."""
    with later():
        credentials = session.get_credentials()
        if credentials is not None:
            return credentials.get_frozen_credentials()
    raise Unavailable("no AWS credentials were found")


def client(session: Session, service: Any, *, read_seconds: float, tries: int) -> Any:
    """Return a client whose calls end after `read_seconds` of silence."""
    config = Config(
        connect_timeout=min(_CONNECT_SECONDS, read_seconds),
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
    except _PASSING as error:
        raise Unavailable(f"{type(error).__name__}: {error}") from error


def code_of(error: BaseException | None) -> str | None:
    """Return AWS's code of an error, where it has one."""
    return error.response.get("Error", {}).get("Code") if isinstance(error, ClientError) else None
