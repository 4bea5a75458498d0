"""The work API over HTTP, each request signed (SigV4) with the worker's own AWS credentials."""

from __future__ import annotations

from boto3.session import Session
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from pydantic import BaseModel, ValidationError
from urllib3 import PoolManager, Timeout
from urllib3.exceptions import HTTPError

from orchestrator.errors import cut
from orchestrator.model.wire import (
    ClaimIn,
    ClaimOut,
    CompleteIn,
    CompleteOut,
    HeartbeatIn,
    HeartbeatOut,
)
from worker.ports import ApiRefused, Unavailable

_REFUSED = {400, 404, 405, 413, 415, 422}
"""The request itself is wrong. All else (also 401 and 403: clocks and roles are repaired) passes."""
_TIMEOUT = Timeout(connect=5, read=35)
"""API Gateway answers within 29 seconds."""


class SignedWorkApi:
    """The worker's routes under one URL."""

    def __init__(self, session: Session, url: str, region: str) -> None:
        self._session = session
        self._url = url
        self._region = region
        self._http = PoolManager(maxsize=8, timeout=_TIMEOUT, retries=False)

    def claim(self, body: ClaimIn) -> ClaimOut:
        """Ask what of received messages is to be run."""
        return self._post("/tasks/claim", body, ClaimOut)

    def complete(self, body: CompleteIn) -> CompleteOut:
        """Report runs and give tasks back."""
        return self._post("/tasks/complete", body, CompleteOut)

    def heartbeat(self, worker_id: str, body: HeartbeatIn) -> HeartbeatOut:
        """Say what runs."""
        return self._post(f"/workers/{worker_id}/heartbeat", body, HeartbeatOut)

    def _post[T: BaseModel](self, path: str, body: BaseModel, answer: type[T]) -> T:
        url = f"{self._url}/api/v1{path}"
        data = body.model_dump_json(exclude_defaults=True).encode()
        try:
            response = self._http.request("POST", url, body=data, headers=self._signed(url, data))
        except HTTPError as error:
            raise Unavailable(f"{type(error).__name__}: {error}") from error
        if response.status != 200:
            raise _error(response.status, response.data)
        try:
            return answer.model_validate_json(response.data)
        except ValidationError as error:
            raise Unavailable(f"an answer that is not the API's: {cut(str(error), 300)}") from error

    def _signed(self, url: str, data: bytes) -> dict[str, str]:
        credentials = self._session.get_credentials()
        if credentials is None:
            raise Unavailable("no AWS credentials were found")
        request = AWSRequest("POST", url, {"Content-Type": "application/json"}, data)
        SigV4Auth(credentials.get_frozen_credentials(), "execute-api", self._region).add_auth(
            request
        )
        return dict(request.headers.items())


def _error(status: int, data: bytes) -> Unavailable | ApiRefused:
    detail = cut(data.decode(errors="replace"), 300)
    return ApiRefused(status, detail) if status in _REFUSED else Unavailable(f"{status}: {detail}")
