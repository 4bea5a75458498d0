"""The data bucket, for handlers; boto3 is imported when the first file is asked for."""

from __future__ import annotations

import io
import shutil
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO, cast

_CHUNK_BYTES = 1024 * 1024


@dataclass
class BucketFiles:
    """Objects of one bucket."""

    bucket: str

    @cached_property
    def _client(self) -> Any:
        import boto3
        from botocore.config import Config

        from worker.aws.server_time import ServerTime

        config = Config(retries={"mode": "standard", "total_max_attempts": 5})
        session = boto3.session.Session()
        ServerTime().attach(session)
        return session.client("s3", config=config)

    def open(self, key: str) -> BinaryIO:
        """Open for reading, buffered. Raises FileNotFoundError."""
        return cast("BinaryIO", io.BufferedReader(self._body(key), _CHUNK_BYTES))

    def fetch(self, key: str, target: Path) -> None:
        """Write to `target`. Raises FileNotFoundError."""
        with self._body(key) as source, target.open("wb") as out:
            shutil.copyfileobj(source, out, _CHUNK_BYTES)

    def _body(self, key: str) -> Any:
        try:
            return self._client.get_object(Bucket=self.bucket, Key=key)["Body"]
        except self._client.exceptions.NoSuchKey:
            raise FileNotFoundError(f"there is no object {key!r} in {self.bucket}") from None
