"""Opaque, signed list cursors: a position, bound to the list (tenant, filters) that it belongs to."""

from __future__ import annotations

import hashlib
import hmac
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from collections.abc import Sequence

from orchestrator.errors import InvalidCursor

_MAC_BYTES = 16


def _mac(key: bytes, payload: bytes) -> bytes:
    return hmac.new(key, payload, hashlib.sha256).digest()[:_MAC_BYTES]


def encode_cursor(key: bytes, belongs_to: Sequence[str | None], position: str | int) -> str:
    """Return the cursor for `position` in the list that `belongs_to` names."""
    payload = json.dumps([list(belongs_to), position], separators=(",", ":")).encode()
    return urlsafe_b64encode(_mac(key, payload) + payload).decode().rstrip("=")


def decode_cursor(key: bytes, belongs_to: Sequence[str | None], cursor: str) -> str | int:
    """Return the position. Raises InvalidCursor where the cursor is not one of this list's."""
    refusal = InvalidCursor(
        "the cursor was changed, cut, or comes from another list or filter",
        action="Use next_cursor of the page before, with the same filters, or begin without a cursor.",
    )
    try:
        raw = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
    except (Base64Error, ValueError):
        raise refusal from None
    mac, payload = raw[:_MAC_BYTES], raw[_MAC_BYTES:]
    if not hmac.compare_digest(mac, _mac(key, payload)):
        raise refusal
    owner, position = json.loads(payload)
    if owner != list(belongs_to) or not isinstance(position, (str, int)):
        raise refusal
    return position
