"""Blocks of bytes decoded to text that ends at line ends."""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Iterator

from worker.api import PermanentError

LINE_MAX_CHARS = 16 * 1024 * 1024


class Undecodable(Exception):
    """The bytes are not in the encoding that their start suggested; `around` is what broke."""

    def __init__(self, around: bytes, message: str) -> None:
        super().__init__(message)
        self.around = around


def decoded(blocks: Iterable[bytes], encoding: str, *, final: bool = True) -> Iterator[str]:
    """Yield the text of `blocks`; without `final` the last one may end within a character.

    Raises Undecodable.
    """
    decoder = codecs.getincrementaldecoder(encoding)()
    block = b""
    try:
        for block in blocks:
            yield decoder.decode(block)
        yield decoder.decode(b"", final=final)
    except UnicodeDecodeError as error:
        raise Undecodable(block, str(error)) from error


def whole_lines(texts: Iterable[str]) -> Iterator[str]:
    """Cut the text anew, so that each piece ends with a line. Raises PermanentError: LineTooLong.

    A lone carriage return, the line end of old Macs, becomes a newline if it is the only kind.
    """
    rest = ""
    old_mac: bool | None = None
    for text in texts:
        if old_mac is None and text:
            old_mac = "\r" in text[:-1] and "\n" not in text
        piece = rest + (text.replace("\r", "\n") if old_mac else text)
        end = piece.rfind("\n") + 1
        if end:
            yield piece[:end]
        rest = piece[end:]
        if len(rest) > LINE_MAX_CHARS:
            raise PermanentError(
                f"a line is longer than {LINE_MAX_CHARS} characters: this is hardly a CSV file",
                type="LineTooLong",
            )
    if rest:
        yield rest
