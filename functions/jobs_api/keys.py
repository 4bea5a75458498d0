"""Routes of API keys: for operators, signed with IAM credentials (SigV4)."""

from typing import Annotated

from aws_lambda_powertools.event_handler import Response, content_types
from aws_lambda_powertools.event_handler.openapi.params import Body, Path

from orchestrator.service import access
from orchestrator.service.access import MintKeyIn
from orchestrator.service.views import KeyList, MintedKey
from rest.resolver import WithDeps, WithSigner, make_router

router = make_router()


@router.post(
    "/api/v1/keys",
    summary="Make an API key",
    operation_id="mintKey",
    tags=["keys"],
    status_code=201,
    response_description="The key; its secret is shown this once.",
)
def mint_key(
    deps: WithDeps, signer: WithSigner, body: Annotated[MintKeyIn, Body()]
) -> Response[MintedKey]:
    """Make a key for a tenant and a role."""
    return Response(
        status_code=201,
        content_type=content_types.APPLICATION_JSON,
        body=access.mint_key(deps, body, signer),
        headers={"Cache-Control": "no-store"},
    )


@router.get(
    "/api/v1/keys",
    summary="List API keys",
    operation_id="listKeys",
    tags=["keys"],
    cache_control="no-store",
)
def list_keys(deps: WithDeps) -> KeyList:
    """List all keys, without secrets."""
    return access.list_keys(deps)


@router.delete(
    "/api/v1/keys/<key_id>",
    summary="Revoke an API key",
    operation_id="revokeKey",
    tags=["keys"],
    status_code=204,
    response_description="Revoked; the authorizer may still know the key for 60 seconds.",
)
def revoke_key(
    deps: WithDeps, key_id: Annotated[str, Path(description="Id of the key, a ULID.")]
) -> Response[str]:
    """Delete a key."""
    access.revoke_key(deps, key_id)
    return Response(status_code=204, body="")
