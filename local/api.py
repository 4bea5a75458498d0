"""A small client of the product's own API."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import urllib3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from local import aws
from local.errors import LocalError

_POOL = urllib3.PoolManager(
    timeout=urllib3.Timeout(connect=5, read=60), retries=urllib3.Retry(connect=2, read=0)
)


class ApiError(LocalError):
    """The API refused a request, or did not answer it."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer of the API."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """Return the body, read as JSON."""
        return json.loads(self.body)


def explain(answer: Answer) -> str:
    """Return what a refusal says, on one line: problem+json's detail, fields and action."""
    try:
        problem = answer.json()
    except ValueError:
        return answer.body[:300].decode(errors="replace")
    if not isinstance(problem, dict):
        return str(problem)[:300]
    fields = [f"{field.get('field')}: {field.get('rule')}" for field in problem.get("errors") or ()]
    said = [problem.get("detail") or problem.get("message"), *fields, problem.get("action")]
    return " ".join(str(part) for part in said if part) or answer.body[:300].decode()


def send(method: str, url: str, body: bytes = b"", headers: Mapping[str, str] = {}) -> Answer:
    """Send one request; raises ApiError when there is no answer."""
    try:
        got = _POOL.request(method, url, body=body or None, headers=dict(headers), redirect=False)
    except urllib3.exceptions.HTTPError as error:
        raise ApiError(f"{method} {url} got no answer: {error}") from error
    return Answer(got.status, got.headers, got.data)


def _accepted(method: str, url: str, answer: Answer) -> Answer:
    """Return the answer when it is one of success (or not modified); else raise ApiError."""
    if answer.status >= 400:
        raise ApiError(f"{method} {url} was refused ({answer.status}): {explain(answer)}")
    return answer


def call(
    method: str, url: str, key: str, body: object = None, headers: Mapping[str, str] | None = None
) -> Answer:
    """Call a route of people and programs, with an API key; raises ApiError unless it succeeds."""
    data = b"" if body is None else json.dumps(body).encode()
    fields = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    return _accepted(method, url, send(method, url, data, fields | dict(headers or {})))


def call_signed(method: str, url: str, body: object) -> Answer:
    """Call a route that needs IAM, signed with the emulator's credentials; raises ApiError."""
    data = json.dumps(body).encode()
    request = AWSRequest(method, url, data=data, headers={"Content-Type": "application/json"})
    SigV4Auth(Credentials("test", "test"), "execute-api", aws.REGION).add_auth(request)
    return _accepted(method, url, send(method, url, data, dict(request.headers.items())))


def mint_key(api_url: str, name: str, tenant: str = "local") -> str:
    """Make an API key of a tenant with the role admin and return it."""
    body = {"name": name, "tenant": tenant, "role": "admin"}
    return str(call_signed("POST", f"{api_url}/api/v1/keys", body).json()["key"])
