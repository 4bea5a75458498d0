"""The authorizer: what API Gateway is answered for each kind of token."""

from __future__ import annotations

from typing import Any

import pytest

from authorizer.app import handler
from orchestrator.model.items import Role
from orchestrator.service.access import MintKeyIn, mint_key
from tests.fakes.world import World

from .conftest import CallJournal, Context, load


@pytest.fixture
def key(world: World) -> str:
    body = MintKeyIn(name="ci", tenant="acme", role=Role.VIEWER, expires_in_days=1)
    return mint_key(world.deps, body, "arn:aws:iam::123456789012:user/op").key


def _event(header: str) -> dict[str, Any]:
    return load("authorizer/token") | {"authorizationToken": header}


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_a_known_key_opens_the_whole_stage_and_names_the_caller(
    key: str, context: Context, scheme: str
) -> None:
    answer: Any = handler(_event(f"{scheme} {key}"), context)
    (statement,) = answer["policyDocument"]["Statement"]
    assert statement["Effect"] == "Allow"
    assert statement["Resource"] == "arn:aws:execute-api:us-east-1:123456789012:a1b2c3d4e5/prod/*"
    assert answer["context"]["tenant"] == "acme"
    assert answer["context"]["role"] == "viewer"
    assert answer["principalId"] == answer["context"]["key_id"] == key.split("_")[1]
    assert all(type(value) is str for value in answer["context"].values())


@pytest.mark.parametrize(
    "header", ["", "Bearer ", "Basic abc", "Bearer nonsense", "Bearer djo_x_y", "{key}"]
)
def test_anything_else_is_the_one_message_that_becomes_401(
    world: World, key: str, context: Context, header: str
) -> None:
    with pytest.raises(Exception, match=r"^Unauthorized$"):
        handler(_event(header.replace("{key}", key)), context)


def test_a_wrong_secret_a_revoked_and_an_expired_key_are_refused(
    world: World, key: str, context: Context
) -> None:
    with pytest.raises(Exception, match=r"^Unauthorized$"):
        handler(_event(f"Bearer {key}x"), context)
    world.wait(86_400)
    with pytest.raises(Exception, match=r"^Unauthorized$"):
        handler(_event(f"Bearer {key}"), context)
    world.store.delete_key(key.split("_")[1])
    with pytest.raises(Exception, match=r"^Unauthorized$"):
        handler(_event(f"Bearer {key}"), context)


def test_no_line_holds_the_secret(key: str, context: Context, journal: CallJournal) -> None:
    handler(_event(f"Bearer {key}"), context)
    with pytest.raises(Exception, match=r"^Unauthorized$"):
        handler(_event("Bearer stolen-secret"), context)
    secret = key.split("_")[2]
    assert journal.lines
    assert secret not in str(journal.lines)
    assert "stolen-secret" not in str(journal.lines)
