"""Who may do what: API keys, tenants and roles."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from orchestrator.errors import Forbidden, NotFound
from orchestrator.model.ids import is_job_id
from orchestrator.model.items import ApiKey, Job, Role
from orchestrator.model.progress import Leaf, Root
from orchestrator.service.ports import Deps
from orchestrator.service.views import KeyList, KeyOut, MintedKey
from orchestrator.spec import Name

_PREFIX = "djo"
_RANK = {Role.VIEWER: 0, Role.SUBMITTER: 1, Role.ADMIN: 2}
KEY_MAX_DAYS = 3_650


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, as the authorizer found."""

    tenant: str
    role: Role
    key_id: str


class MintKeyIn(BaseModel):
    """Body of POST /api/v1/keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, defer_build=True)

    name: Name
    tenant: Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
    role: Annotated[Role, Field(strict=False)]
    expires_in_days: Annotated[int, Field(ge=1, le=KEY_MAX_DAYS)] | None = None


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def mint_key(deps: Deps, body: MintKeyIn, by: str) -> MintedKey:
    """Make a key; its secret is in the answer and nowhere else."""
    now, secret = deps.now(), deps.new_secret()
    days = body.expires_in_days
    key = ApiKey(
        key_id=deps.new_id(),
        name=body.name,
        tenant=body.tenant,
        role=body.role,
        secret_hash=_hash(secret),
        created_at=now,
        created_by=by,
        expires_at=(now + timedelta(days=days)).replace(microsecond=0) if days else None,
    )
    deps.store.put_key(key)
    deps.journal.event("key.minted", key_id=key.key_id, tenant=key.tenant, role=key.role, by=by)
    return MintedKey(**_view(key).model_dump(), key=f"{_PREFIX}_{key.key_id}_{secret}")


def _view(key: ApiKey) -> KeyOut:
    return KeyOut(
        key_id=key.key_id,
        name=key.name,
        tenant=key.tenant,
        role=key.role,
        created_at=key.created_at,
        created_by=key.created_by,
        expires_at=key.expires_at,
    )


def list_keys(deps: Deps) -> KeyList:
    """List all keys, without their secrets."""
    return KeyList(keys=[_view(key) for key in deps.store.list_keys()])


def revoke_key(deps: Deps, key_id: str) -> None:
    """Delete a key; the authorizer's cache may still know it for 60 s. Raises NotFound."""
    if not (is_job_id(key_id) and deps.store.delete_key(key_id)):
        raise NotFound(f"there is no key {key_id[:26]!r}", action="List the keys to see their ids.")
    deps.journal.event("key.revoked", key_id=key_id)


def authenticate(deps: Deps, token: str) -> Caller | None:
    """Return who holds a bearer token, or None."""
    prefix, _, rest = token.partition("_")
    key_id, _, secret = rest.partition("_")
    if prefix != _PREFIX or not is_job_id(key_id):
        return None
    key = deps.store.get_key(key_id)
    if key is None or not hmac.compare_digest(key.secret_hash, _hash(secret)):
        return None
    if key.expires_at is not None and key.expires_at <= deps.now():
        return None
    return Caller(key.tenant, key.role, key.key_id)


def require(caller: Caller, role: Role) -> None:
    """Raise Forbidden where the caller's role is below `role`."""
    if _RANK[caller.role] < _RANK[role]:
        raise Forbidden(
            f"this needs the role {role}, the key has {caller.role}",
            action="Use a key with a higher role.",
        )


def job_not_found(job_id: str) -> NotFound:
    """Return the answer for a job that is absent, malformed or another tenant's: all look the same."""
    return NotFound(f"there is no job {job_id[:40]!r}", action="List the jobs to see their ids.")


def own_job(deps: Deps, caller: Caller, job_id: str) -> tuple[Job, Root]:
    """Read a job of the caller's tenant. Raises NotFound."""
    found = deps.store.get_job_and_root(job_id) if is_job_id(job_id) else None
    if found is None or found[0].tenant != caller.tenant:
        raise job_not_found(job_id)
    return found


def own_job_and_leaf(deps: Deps, caller: Caller, job_id: str, leaf: int) -> tuple[Job, Leaf | None]:
    """Read a job of the caller's tenant and one of its leaves. Raises NotFound."""
    found = deps.store.get_job_and_leaf(job_id, leaf) if is_job_id(job_id) else None
    if found is None or found[0].tenant != caller.tenant:
        raise job_not_found(job_id)
    return found
