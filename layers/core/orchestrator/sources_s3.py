"""`ports.Sources` on S3."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import (
    ClientError,
    IncompleteReadError,
    ReadTimeoutError,
    ResponseStreamingError,
)

from orchestrator.aws import READ_ATTEMPTS, Clients, error_code
from orchestrator.errors import ObjectChanged, ObjectForbidden
from orchestrator.service.sources import SignedPut, StoredObject

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

CHUNK_BYTES = 1024 * 1024
_FORBIDDEN = frozenset({"403", "AccessDenied", "KMS.AccessDeniedException", "InvalidObjectState"})
"""The last one is an archived object's answer (Glacier)."""
_GONE = frozenset({"404", "NoSuchKey", "412", "PreconditionFailed"})


@dataclass(frozen=True, slots=True)
class S3Sources:
    """`service.sources.Sources` on one bucket."""

    clients: Clients
    bucket: str

    @property
    def _s3(self) -> S3Client:
        client: S3Client = self.clients.get("s3")
        return client

    def find(self, key: str) -> StoredObject | None:
        """Look an object up. Raises ObjectForbidden."""
        try:
            head = self._s3.head_object(Bucket=self.bucket, Key=key)
        except ClientError as error:
            if error_code(error) in ("404", "NoSuchKey"):
                return None
            raise _told(error) from error
        return StoredObject(key=key, size_bytes=head["ContentLength"], etag=head["ETag"].strip('"'))

    def stream(self, found: StoredObject, start: int) -> Iterator[bytes]:
        """Yield an object's bytes from `start` on; where the body breaks off, go on behind what was read.

        Raises ObjectChanged, ObjectForbidden.
        """
        failures = 0
        while start < found.size_bytes:
            try:
                for chunk in self._open(found, start).iter_chunks(CHUNK_BYTES):
                    start, failures = start + len(chunk), 0 if chunk else failures
                    yield chunk
                return
            except (IncompleteReadError, ReadTimeoutError, ResponseStreamingError):
                failures += 1
                if failures == READ_ATTEMPTS:
                    raise

    def _open(self, found: StoredObject, start: int) -> Any:
        # A range only where one is needed: S3 gives no checksum to a part of an object.
        only: dict[str, Any] = {"Range": f"bytes={start}-"} if start else {}
        try:
            answer = self._s3.get_object(
                Bucket=self.bucket, Key=found.key, IfMatch=f'"{found.etag}"', **only
            )
        except ClientError as error:
            raise _told(error) from error
        if answer["ETag"].strip('"') != found.etag:  # Not every emulator heeds If-Match.
            raise ObjectChanged(found.key)
        return answer["Body"]

    def list_after(self, prefix: str, after: str, limit: int) -> list[StoredObject]:
        """List objects behind `after`, in the order of their keys' bytes. Raises ObjectForbidden."""
        begin: dict[str, Any] = {"StartAfter": after} if after else {}
        try:
            page = self._s3.list_objects_v2(
                Bucket=self.bucket, Prefix=prefix, MaxKeys=limit, **begin
            )
        except ClientError as error:
            raise _told(error) from error
        return [
            StoredObject(key=item["Key"], size_bytes=item["Size"], etag=item["ETag"].strip('"'))
            for item in page.get("Contents", [])
        ]

    def sign_put(self, key: str, size_bytes: int, sha256: str | None, seconds: int) -> SignedPut:
        """Sign a PUT; size and checksum are signed headers, so no other body passes."""
        params: dict[str, Any] = {"Bucket": self.bucket, "Key": key, "ContentLength": size_bytes}
        headers = {"Content-Length": str(size_bytes)}
        if sha256 is not None:
            checksum = b64encode(bytes.fromhex(sha256)).decode()
            params["ChecksumSHA256"] = headers["x-amz-checksum-sha256"] = checksum
        url = self._s3.generate_presigned_url("put_object", Params=params, ExpiresIn=seconds)
        return SignedPut(url=url, headers=headers)


def _told(error: ClientError) -> Exception:
    """Return the error as the use cases know it; one that they do not know stays what it is."""
    code = error_code(error)
    if code in _GONE:
        return ObjectChanged(str(error))
    return ObjectForbidden(str(error)) if code in _FORBIDDEN else error
