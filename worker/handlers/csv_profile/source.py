"""The bytes of a file: counted, recognised by their first bytes, decompressed block by block."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import zlib
from collections.abc import Iterator
from typing import Any, BinaryIO, Protocol

from worker.api import PermanentError

BLOCK_BYTES = 256 * 1024
_GZIP, _BZIP2, _XZ = b"\x1f\x8b", b"BZh", b"\xfd7zXZ\x00"
_FOREIGN = {
    b"PK\x03\x04": "a zip archive or an Excel workbook",
    b"PAR1": "a Parquet file",
    b"%PDF": "a PDF document",
    b"\x89PNG": "a PNG image",
    b"\xff\xd8\xff": "a JPEG image",
    b"GIF8": "a GIF image",
    b"\x7fELF": "a program",
    b"SQLite format 3\x00": "an SQLite database",
    b"\x28\xb5\x2f\xfd": "zstd compressed",
    b"\xd0\xcf\x11\xe0": "an old Office document",
}


class _Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


class _Counted(io.RawIOBase):
    """Reads from `stream` and counts the bytes."""

    def __init__(self, stream: BinaryIO) -> None:
        self.stream = stream
        self.count = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        data = self.stream.read(len(buffer))
        buffer[: len(data)] = data
        self.count += len(data)
        return len(data)


class Source:
    """A stored file; `compression` is none, gzip, bzip2 or xz.

    Raises PermanentError: EmptyFile, or BinaryFile for a format known by its first bytes.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._counted = _Counted(stream)
        self._stored = io.BufferedReader(self._counted, BLOCK_BYTES)
        start = self._stored.peek(16)[:16]
        if not start:
            raise PermanentError("the file is empty: it has 0 bytes", type="EmptyFile")
        for magic, what in _FOREIGN.items():
            if start.startswith(magic):
                raise PermanentError(f"the file is no CSV: it is {what}", type="BinaryFile")
        self.compression, self._plain = _decompressed(self._stored, start)

    @property
    def bytes_read(self) -> int:
        """How many stored bytes were read so far."""
        return self._counted.count

    def blocks(self) -> Iterator[bytes]:
        """Yield the decompressed bytes. Raises PermanentError: TruncatedGzip, CorruptGzip, ..."""
        while block := self._read():
            yield block

    def _read(self) -> bytes:
        try:
            return self._plain.read(BLOCK_BYTES)
        except EOFError as error:
            raise self._broken("Truncated", "ends before its end mark") from error
        except (gzip.BadGzipFile, zlib.error, lzma.LZMAError) as error:
            raise self._broken("Corrupt", f"cannot be decompressed ({error})") from error
        except OSError as error:
            if error.errno is not None or self.compression != "bzip2":
                raise
            raise self._broken("Corrupt", f"cannot be decompressed ({error})") from error

    def _broken(self, kind: str, what: str) -> PermanentError:
        return PermanentError(
            f"the {self.compression} file {what}, after {self.bytes_read} stored bytes:"
            " write or upload it again",
            type=f"{kind}{self.compression.capitalize()}",
        )


def _decompressed(stored: Any, start: bytes) -> tuple[str, _Readable]:
    if start.startswith(_GZIP):
        return "gzip", gzip.GzipFile(fileobj=stored)
    if start.startswith(_BZIP2):
        return "bzip2", bz2.BZ2File(stored)
    if start.startswith(_XZ):
        return "xz", lzma.LZMAFile(stored)
    return "none", stored
