"""Which encoding a sample of bytes has, by the name of Python's codec."""

from __future__ import annotations

import codecs
import re

from worker.api import PermanentError

_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]")
_HIGH = re.compile(rb"[\x80-\xff]")
_C1 = re.compile(rb"[\x80-\x9f]")
_CONTROL_SHARE = 0.01
_NUL_SHARE = 0.3
_ENOUGH_LETTERS = 10
_GUESSED_BYTES = 20_000


def detect_encoding(sample: bytes) -> str:
    """Return utf-8, utf-8-sig, utf-16, utf-16-le, ..., cp1252, latin-1 or another 8-bit codec.

    Raises PermanentError (BinaryFile) for bytes that are no text.
    """
    name = _by_bom(sample) or _wide(sample) or ("utf-8" if _is_utf8(sample) else legacy(sample))
    text = sample.decode(name, errors="ignore")
    controls = len(_CONTROL.findall(text))
    if "\x00" in text or controls > _CONTROL_SHARE * len(text):
        raise PermanentError(
            f"the file is no text: {controls} of its first {len(text)} characters are control"
            " characters; is it a binary file with a wrong name?",
            type="BinaryFile",
        )
    return name


def legacy(sample: bytes) -> str:
    """Name the 8-bit (or East Asian) encoding of bytes that are not UTF-8.

    Whatever can be Western European is taken for it: letter frequencies do not tell it from its
    neighbours. Windows-1252 and Latin-1 differ in 0x80-0x9f only.
    """
    high = [line for line in sample.splitlines() if _HIGH.search(line)]
    if sum(len(_HIGH.findall(line)) for line in high) < _ENOUGH_LETTERS:
        return _western(sample)
    from charset_normalizer import from_bytes

    matches = from_bytes(b"\n".join(high)[:_GUESSED_BYTES])
    best = matches.best()
    if best is None or any("cp1252" in match.could_be_from_charset for match in matches):
        return _western(sample)
    return best.encoding


def _western(sample: bytes) -> str:
    if not _C1.search(sample):
        return "latin-1"
    try:
        sample.decode("cp1252")
    except UnicodeDecodeError:
        return "latin-1"
    return "cp1252"


def _by_bom(sample: bytes) -> str | None:
    return next((name for bom, name in _BOMS if sample.startswith(bom)), None)


def _wide(sample: bytes) -> str | None:
    """UTF-16 without a mark: text of mostly ASCII has a zero in every other byte."""
    even, odd = sample[0::2].count(0), sample[1::2].count(0)
    half = max(len(sample) // 2, 1)
    if odd > _NUL_SHARE * half and even < odd / 10:
        return "utf-16-le"
    if even > _NUL_SHARE * half and odd < even / 10:
        return "utf-16-be"
    return None


def _is_utf8(sample: bytes) -> bool:
    try:
        codecs.getincrementaldecoder("utf-8")().decode(sample, final=False)
    except UnicodeDecodeError:
        return False
    return True
