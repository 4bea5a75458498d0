"""Which objects of the data bucket a tenant may name: its own uploads, and what is shared with all."""

from __future__ import annotations

from orchestrator.errors import FieldError, InvalidField
from orchestrator.model.sources import SHARED, UPLOADS


def own_prefix(tenant: str) -> str:
    """Return what the keys of a tenant's own objects begin with."""
    return f"{UPLOADS}{tenant}/"


def require_readable(tenant: str, key: str, field: str) -> None:
    """Let pass a key, or the beginning of keys, that the tenant may read. Raises InvalidField.

    What another tenant has, or whether it is there, is never told: the key alone decides.
    """
    allowed = (own_prefix(tenant), SHARED)
    if not key.startswith(allowed):
        rule = f"must begin with {allowed[0]} or {allowed[1]}"
        raise InvalidField(
            f"{field} {rule}",
            action="Name an object of your own: POST /api/v1/uploads says where it goes.",
            fields=[FieldError(field, rule, key)],
        )
