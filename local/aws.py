"""Clients and environments that can reach the emulator only, never a person's own account."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config

if TYPE_CHECKING:
    from botocore.client import BaseClient

REGION = "us-east-1"
_NOWHERE = os.devnull


def environment(endpoint_url: str) -> dict[str, str]:
    """Return the AWS settings of a process that is to talk to the emulator alone."""
    return {
        "AWS_ENDPOINT_URL": endpoint_url,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_CONFIG_FILE": _NOWHERE,
        "AWS_SHARED_CREDENTIALS_FILE": _NOWHERE,
        "AWS_EC2_METADATA_DISABLED": "true",
    }


def without_aws(env: Mapping[str, str]) -> dict[str, str]:
    """Return a person's environment without their AWS settings and their Python's.

    Their proxy stays, for package indexes, but this machine is reached without it.
    """
    kept = {
        name: value
        for name, value in env.items()
        if not name.startswith(("AWS_", "PYTHON", "SAM_", "VIRTUAL_ENV"))
    }
    own = env.get("no_proxy") or env.get("NO_PROXY")
    direct = ",".join(filter(None, [own, "127.0.0.1,localhost"]))
    return kept | {"NO_PROXY": direct, "no_proxy": direct}


def client(service: str, endpoint_url: str) -> Any:
    """Return a boto3 client of the emulator; it reads no file and no variable of the person."""
    session = boto3.session.Session(
        aws_access_key_id="test", aws_secret_access_key="test", region_name=REGION
    )
    made: BaseClient = session.client(  # type: ignore[call-overload]
        service,
        endpoint_url=endpoint_url,
        config=Config(
            s3={"addressing_style": "path"},
            retries={"mode": "standard", "max_attempts": 5},
            max_pool_connections=32,
            proxies={},
        ),
    )
    return made
