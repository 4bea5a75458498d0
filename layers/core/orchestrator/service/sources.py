"""The port to what people put into the data bucket: manifests and the objects that tasks are made of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredObject:
    """An object as it was found; `etag` (without quotes) changes with its content."""

    key: str
    size_bytes: int
    etag: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedPut:
    """A presigned PUT; the request must carry `headers` exactly, since they are signed too."""

    url: str
    headers: Mapping[str, str]


class Sources(Protocol):
    """The data bucket, as far as people fill it."""

    def find(self, key: str) -> StoredObject | None:
        """Look an object up; None where there is none. Raises ObjectForbidden."""
        ...

    def stream(self, found: StoredObject, start: int) -> Iterator[bytes]:
        """Yield the object's bytes from `start` on, at most 1 MiB at a time.

        Raises ObjectChanged where it is no longer the one that was found, ObjectForbidden.
        """
        ...

    def list_after(self, prefix: str, after: str, limit: int) -> list[StoredObject]:
        """List up to `limit` (at most 1,000) objects with keys that begin with `prefix` and follow `after`."""
        ...

    def sign_put(self, key: str, size_bytes: int, sha256: str | None, seconds: int) -> SignedPut:
        """Sign a PUT of exactly this size and (hexadecimal) SHA-256; S3 refuses any other body."""
        ...
