"""The data and results buckets on S3, as the worker itself uses them."""

from __future__ import annotations

from boto3.session import Session

from worker.aws.clients import client, code_of, later
from worker.ports import Unavailable

_READ_SECONDS = 30
_GONE = {"NoSuchKey", "404"}


class S3Buckets:
    """Two buckets and one client."""

    def __init__(self, session: Session, data_bucket: str, results_bucket: str) -> None:
        self._data = data_bucket
        self._results = results_bucket
        self._s3 = client(session, "s3", read_seconds=_READ_SECONDS, tries=4)

    def read_range(self, key: str, start: int, stop: int) -> bytes:
        """Read bytes [start, stop) of an object of the data bucket. Raises FileNotFoundError."""
        span = f"bytes={start}-{stop - 1}"
        try:
            with later():
                answer = self._s3.get_object(Bucket=self._data, Key=key, Range=span)
                body: bytes = answer["Body"].read()
        except Unavailable as error:
            if code_of(error.__cause__) in _GONE:
                raise FileNotFoundError(f"there is no object {key!r}") from error
            raise
        return body

    def put_result(self, key: str, body: bytes) -> None:
        """Write JSON to the results bucket."""
        with later():
            self._s3.put_object(
                Bucket=self._results, Key=key, Body=body, ContentType="application/json"
            )
