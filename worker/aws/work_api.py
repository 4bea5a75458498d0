"""The work API over HTTP, each request signed (SigV4) with the worker's own AWS credentials."""

from __future__ import annotations

from boto3.session import Session
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from pydantic import BaseModel, ValidationError
from urllib3 import BaseHTTPResponse, PoolManager, Timeout
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
from worker.aws.clients import frozen_credentials
from worker.aws.server_time import ServerTime
from worker.ports import ApiRefused, Unavailable

_REFUSED = {400, 404, 405, 413, 415, 422}
"""The request itself is wrong. All else (also 401 and 403: clocks and roles are repaired) passes."""
_TIMEOUT = Timeout(connect=5, read=35)
"""API Gateway answers within 29 seconds."""


class SignedWorkApi:
    """The worker's routes under one URL."""

    def __init__(self, session: Session, url: str, region: str, time: ServerTime) -> None:
        self._session = session
        self._time = time
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
        response = self._send(url, data)
        if self._time.refused(response.status, response.headers.get("Date")):
            response = self._send(url, data)
        if response.status != 200:
            raise _error(response.status, response.data)
        try:
            return answer.model_validate_json(response.data)
        except ValidationError as error:
            raise Unavailable(f"an answer that is not the API's: {cut(str(error), 300)}") from error

    def _send(self, url: str, data: bytes) -> BaseHTTPResponse:
        headers = self._signed(url, data)
        try:
            return self._http.request("POST", url, body=data, headers=headers)
        except HTTPError as error:
            raise Unavailable(f"{type(error).__name__}: {error}") from error

    def _signed(self, url: str, data: bytes) -> dict[str, str]:
        request = AWSRequest("POST", url, {"Content-Type": "application/json"}, data)
        credentials = frozen_credentials(self._session)
        SigV4Auth(credentials, "execute-api", self._region).add_auth(request)
        return dict(request.headers.items())


def _error(status: int, data: bytes) -> Unavailable | ApiRefused:
    detail = cut(data.decode(errors="replace"), 300)
    return ApiRefused(status, detail) if status in _REFUSED else Unavailable(f"{status}: {detail}")
