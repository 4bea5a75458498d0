"""Keys of the results bucket, on S3."""

from __future__ import annotations

import threading
from typing import Any, Literal

from boto3.session import Session
from botocore.config import Config

from worker.aws.clients import client, code_of, later
from worker.clock import Clock, clock
from worker.ports import Unavailable

_READ_SECONDS = 30
_GONE = frozenset({"NoSuchKey", "404", "AccessDenied", "403"})
"""S3 says 403 of an object that is not there to a role that may not list the bucket. Reading and writing are
granted together (template.yaml, WorkerPolicy), so a role that lacks both is found by its first write."""
SIGNER_SECONDS = 900.0
"""A link dies with the credentials that signed it. The worker's own are renewed a quarter of an hour before
their end; those that sign links are never older than this, so of an hour's session 45 minutes are left."""


class S3Files:
    """One bucket. Links are signed with SigV4, which every region takes."""

    def __init__(self, session: Session, bucket: str, clock: Clock = clock) -> None:
        self._bucket = bucket
        self._region = session.region_name
        self._s3 = client(session, "s3", read_seconds=_READ_SECONDS, tries=4)
        self._clock = clock
        self._lock = threading.Lock()
        self._signer: tuple[Any, float] | None = None

    def put(self, key: str, body: bytes, content_type: str) -> None:
        """Write an object."""
        with later():
            self._s3.put_object(Bucket=self._bucket, Key=key, Body=body, ContentType=content_type)

    def read(self, key: str, limit: int) -> bytes | None:
        """Read an object, None where there is none; of a longer one only `limit` bytes."""
        try:
            with later():
                answer = self._s3.get_object(Bucket=self._bucket, Key=key)
                body: bytes = answer["Body"].read(limit)
        except Unavailable as error:
            if code_of(error.__cause__) in _GONE:
                return None
            raise
        return body

    def link(self, key: str, method: Literal["GET", "PUT"], seconds: int) -> str:
        """Return a URL that reads or writes the object for `seconds`, or until its credentials end."""
        call = {"GET": "get_object", "PUT": "put_object"}[method]
        with later(), self._lock:
            url: str = self._fresh_signer().generate_presigned_url(
                call, Params={"Bucket": self._bucket, "Key": key}, ExpiresIn=seconds
            )
        return url

    def _fresh_signer(self) -> Any:
        """Return a client whose session, with credentials of its own, is not old."""
        now = self._clock()
        if self._signer is None or now - self._signer[1] > SIGNER_SECONDS:
            session = Session(region_name=self._region)
            self._signer = session.client("s3", config=Config(signature_version="s3v4")), now
        return self._signer[0]
