"""Lambda handler of the TOKEN authorizer. The token is never logged."""

from __future__ import annotations

from collections.abc import Mapping

from orchestrator import runtime
from orchestrator.runtime import CallContext, Event
from orchestrator.service.access import Caller, authenticate

_SCHEME = "bearer "


class Unauthorized(Exception):
    """No key, or an unknown one: API Gateway answers 401 to this very message, else 500."""

    def __init__(self) -> None:
        super().__init__("Unauthorized")


def handler(event: Event, context: CallContext) -> Mapping[str, object]:
    """Return a policy for the whole stage with the caller as its context. Raises Unauthorized."""
    token = _bearer(str(event.get("authorizationToken", "")))
    with runtime.call(context) as journal:
        caller = authenticate(runtime.deps(), token) if token else None
        if caller is None:
            journal.event("caller.refused", method_arn=event.get("methodArn"))
        else:
            journal.event("caller.known", tenant=caller.tenant, key_id=caller.key_id)
    if caller is None:
        raise Unauthorized
    return _policy(caller, str(event["methodArn"]))


def _bearer(header: str) -> str:
    scheme, token = header[: len(_SCHEME)], header[len(_SCHEME) :].strip()
    return token if scheme.lower() == _SCHEME else ""


def _policy(caller: Caller, method_arn: str) -> Mapping[str, object]:
    """Allow every route of the stage: API Gateway caches by token alone; routes check roles.

    methodArn is arn:aws:execute-api:<region>:<account>:<api>/<stage>/<method>/<path>.
    """
    api, stage, *_ = method_arn.split("/")
    return {
        "principalId": caller.key_id,
        "policyDocument": {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Action": "execute-api:Invoke",
                    "Effect": "Allow",
                    "Resource": f"{api}/{stage}/*",
                }
            ],
        },
        "context": {"tenant": caller.tenant, "role": str(caller.role), "key_id": caller.key_id},
    }
