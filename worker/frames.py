"""Frames on the socket between the worker and a child: a length, a JSON header, and raw bytes.

Never pickles: nothing that a handler raises or returns is rebuilt as an object in the worker.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from struct import Struct
from typing import Any, NamedTuple

_LENGTH = Struct(">I")
FRAME_MAX_BYTES = 64 * 1024 * 1024
"""Above any honest frame (a result of 16 MiB, inputs of a few MiB): longer ones are not ours."""


class Frame(NamedTuple):
    """A header, whose `type` says what it is, and a body whose meaning hangs on the type."""

    header: dict[str, Any]
    body: bytes = b""


class BrokenFrame(ValueError):
    """The bytes received are not frames: something else wrote to the socket."""


def encode(header: dict[str, Any], body: bytes = b"") -> bytes:
    """Return a frame as bytes; a JSON text holds no line feed, so one ends the header."""
    head = json.dumps(header, separators=(",", ":")).encode()
    return b"".join((_LENGTH.pack(len(head) + 1 + len(body)), head, b"\n", body))


class Decoder:
    """Turns received bytes into frames; keeps what is still incomplete."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[Frame]:
        """Take bytes and return the frames that they complete. Raises BrokenFrame."""
        self._buffer += data
        while len(self._buffer) >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(self._buffer)
            if length > FRAME_MAX_BYTES:
                raise BrokenFrame(f"a frame of {length} bytes")
            end = _LENGTH.size + length
            if len(self._buffer) < end:
                return
            payload = bytes(self._buffer[_LENGTH.size : end])
            del self._buffer[:end]
            yield _decode(payload)


def _decode(payload: bytes) -> Frame:
    head, _, body = payload.partition(b"\n")
    try:
        header = json.loads(head)
    except ValueError as error:
        raise BrokenFrame("a header that is not JSON") from error
    if not isinstance(header, dict) or "type" not in header:
        raise BrokenFrame("a header without a type")
    return Frame(header, body)
