"""Uploads: where a manifest goes, and a presigned request that takes this one file and no other."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

from orchestrator.model.items import Role
from orchestrator.model.sources import UploadIn
from orchestrator.service.access import Caller, require
from orchestrator.service.data_access import own_prefix
from orchestrator.service.ports import Deps

UPLOAD_SECONDS = 3_600


class UploadOut(BaseModel):
    """A request that uploads the file: send it with exactly these headers, then name `key` in a submission."""

    model_config = ConfigDict(frozen=True, defer_build=True)

    key: str
    method: Literal["PUT"] = "PUT"
    url: str
    headers: dict[str, str]
    expires_in_seconds: int = UPLOAD_SECONDS


def begin_upload(deps: Deps, caller: Caller, upload: UploadIn) -> UploadOut:
    """Return the request that uploads one file of this size to a key of its own. Raises Forbidden."""
    require(caller, Role.SUBMITTER)
    key = f"{own_prefix(caller.tenant)}{deps.new_id()}/{upload.filename}"
    signed = deps.sources.sign_put(key, upload.size_bytes, upload.sha256, UPLOAD_SECONDS)
    deps.journal.event("upload.begun", tenant=caller.tenant, key=key, size_bytes=upload.size_bytes)
    return UploadOut(key=key, url=signed.url, headers=dict(signed.headers))
