"""S3 for handlers: files of the data bucket, checkpoints in the results bucket.

boto3 is imported when the first of them is asked for: most handlers need neither.
"""

from __future__ import annotations

import io
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO, cast

from worker.api import CheckpointFailed
from worker.child.checkpoints import Order, Stored

_CHUNK_BYTES = 1024 * 1024
_ORDER = "run"
_ABSENT = {"404", "NoSuchKey", "403", "AccessDenied"}
"""S3 does not tell a role that may not list the bucket whether an object is there: it says 403."""
_OTHERWISE = {"412", "PreconditionFailed", "409", "ConditionalRequestConflict", "404", "NoSuchKey"}


class S3:
    """One client for all that a child does, made when it is first needed."""

    @cached_property
    def client(self) -> Any:
        """The client."""
        import boto3
        from botocore.config import Config

        from worker.aws.server_time import ServerTime

        config = Config(retries={"mode": "standard", "total_max_attempts": 5})
        session = boto3.session.Session()
        ServerTime().attach(session)
        return session.client("s3", config=config)


@dataclass
class BucketFiles:
    """Objects of one bucket."""

    bucket: str
    s3: S3

    def open(self, key: str) -> BinaryIO:
        """Open for reading, buffered. Raises FileNotFoundError."""
        return cast("BinaryIO", io.BufferedReader(self._body(key), _CHUNK_BYTES))

    def fetch(self, key: str, target: Path) -> None:
        """Write to `target`. Raises FileNotFoundError."""
        with self._body(key) as source, target.open("wb") as out:
            shutil.copyfileobj(source, out, _CHUNK_BYTES)

    def _body(self, key: str) -> Any:
        client = self.s3.client
        try:
            return client.get_object(Bucket=self.bucket, Key=key)["Body"]
        except client.exceptions.NoSuchKey:
            raise FileNotFoundError(f"there is no object {key!r} in {self.bucket}") from None


@dataclass
class BucketCheckpoints:
    """Checkpoints as objects of one bucket; conditional writes keep earlier runs from later ones'."""

    bucket: str
    s3: S3

    def read(self, key: str) -> tuple[bytes, Stored] | None:
        """Return a checkpoint, None where there is none. Raises CheckpointFailed."""
        with _refused(_ABSENT):
            answer = self.s3.client.get_object(Bucket=self.bucket, Key=key)
            return answer["Body"].read(), _stored(answer)
        return None

    def look(self, key: str) -> Stored | None:
        """Return whose checkpoint is there, None where there is none. Raises CheckpointFailed."""
        with _refused(_ABSENT):
            return _stored(self.s3.client.head_object(Bucket=self.bucket, Key=key))
        return None

    def write(self, key: str, data: bytes, order: Order, over: str | None) -> str | None:
        """Write on the condition; return the new version, None where it did not hold."""
        condition = {"IfNoneMatch": "*"} if over is None else {"IfMatch": over}
        with _refused(_OTHERWISE):
            answer = self.s3.client.put_object(
                Bucket=self.bucket,
                Key=key,
                Body=data,
                ContentType="application/octet-stream",
                Metadata={_ORDER: order.text()},
                **condition,
            )
            return str(answer["ETag"])
        return None


def _stored(answer: dict[str, Any]) -> Stored:
    return Stored(str(answer["ETag"]), Order.read(answer.get("Metadata", {}).get(_ORDER, "")))


@contextmanager
def _refused(codes: set[str]) -> Iterator[None]:
    """Pass over errors of these codes; raise CheckpointFailed for all others."""
    from botocore.exceptions import BotoCoreError, ClientError
    from urllib3.exceptions import HTTPError

    try:
        yield
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") not in codes:
            raise CheckpointFailed(f"{type(error).__name__}: {error}") from error
    except (BotoCoreError, HTTPError, OSError) as error:
        raise CheckpointFailed(f"{type(error).__name__}: {error}") from error
