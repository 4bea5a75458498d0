"""Faults of AWS calls, through real botocore clients, and of the work API."""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders
from botocore.config import Config
from botocore.endpoint import Endpoint
from botocore.exceptions import ClientError, HTTPClientError
from botocore.session import Session
from urllib3 import HTTPResponse
from urllib3.exceptions import ProtocolError

from local.faults import ledger
from local.faults.answers import can_throttle
from local.faults.aws_calls import AwsFaults
from local.faults.dice import Dice
from local.faults.http_calls import HttpFaults
from local.faults.knobs import KINDS
from tests.unit.local_faults.dice import always

URL = "http://127.0.0.1:1/work"


class Wire:
    """What a client sends, and a plain answer to it."""

    def __init__(self, body: bytes = b"{}") -> None:
        self.sent = 0
        self._body = body

    def __call__(self, _endpoint: Any, request: Any) -> AWSResponse:
        self.sent += 1
        raw = HTTPResponse(body=io.BytesIO(self._body), preload_content=False)
        return AWSResponse(request.url, 200, HTTPHeaders.from_dict({}), raw)


@cache
def client_of(service: str, tries: int) -> Any:
    """Return a client for the whole session: making one is slow. Its retry quota must not run dry."""
    return Session().create_client(
        service,
        region_name="us-east-1",
        endpoint_url="http://127.0.0.1:1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(retries={"mode": "standard", "total_max_attempts": tries}),
    )


class Patched:
    """botocore with faults, for one test."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch = monkeypatch
        self.wire = Wire()
        self.died = 0
        monkeypatch.setattr("botocore.retries.standard.ExponentialBackoff.delay_amount", _at_once)

    def install(
        self, dice: Dice, watch: Any = None, sleep: Callable[[float], None] = print
    ) -> None:
        """Change botocore; what is put back at the test's end are the real functions."""
        import botocore.client
        import botocore.endpoint

        self._monkeypatch.setattr(Endpoint, "_send", self.wire)
        client: Any = botocore.client.BaseClient
        self._monkeypatch.setattr(client, "_make_api_call", client._make_api_call)
        faults = AwsFaults(dice, self._die, watch, sleep)
        faults.patch_client(botocore.client)
        faults.patch_endpoint(botocore.endpoint)

    def _die(self) -> None:
        self.died += 1


def _at_once(*_: object) -> float:
    return 0.0


@pytest.fixture
def patched(monkeypatch: pytest.MonkeyPatch) -> Patched:
    return Patched(monkeypatch)


CALLS: dict[str, Callable[[Any], object]] = {
    "dynamodb": lambda c: c.describe_table(TableName="table"),
    "sqs": lambda c: c.receive_message(QueueUrl="http://127.0.0.1:1/q"),
    "stepfunctions": lambda c: c.describe_execution(executionArn="arn"),
    "secretsmanager": lambda c: c.get_secret_value(SecretId="id"),
    "lambda": lambda c: c.get_function(FunctionName="name"),
    "s3": lambda c: c.head_bucket(Bucket="bucket"),
}


@pytest.mark.parametrize("service", CALLS)
def test_a_throttle_is_what_botocore_holds_to_be_one(
    service: str, patched: Patched, tmp_path: Path
) -> None:
    """It is repeated while tries are left; where none is, the caller sees a ClientError."""
    patched.install(always(tmp_path, "throttle"))
    assert can_throttle(f"{service}.Any")
    with pytest.raises(ClientError):
        CALLS[service](client_of(service, tries=1))
    assert patched.wire.sent == 0
    for _ in range(30):
        try:
            CALLS[service](client_of(service, tries=3))
        except ClientError:
            continue
    assert patched.wire.sent >= 1


def test_some_throttles_outlast_the_client_and_most_do_not(
    patched: Patched, tmp_path: Path
) -> None:
    patched.install(always(tmp_path, "throttle"))
    failed = 0
    for _ in range(300):
        try:
            CALLS["dynamodb"](client_of("dynamodb", tries=4))
        except ClientError:
            failed += 1
    assert 0 < failed < 100
    assert ledger.read(tmp_path)["throttle", "dynamodb.DescribeTable"] > 300


def test_a_lost_reply_is_lost_after_the_work_was_done(patched: Patched, tmp_path: Path) -> None:
    patched.install(always(tmp_path, "lost_call"))
    with pytest.raises(HTTPClientError):
        CALLS["sqs"](client_of("sqs", tries=1))
    assert patched.wire.sent == 1


def test_a_function_dies_before_the_call(patched: Patched, tmp_path: Path) -> None:
    patched.install(always(tmp_path, "lambda_timeout"))
    CALLS["sqs"](client_of("sqs", tries=1))
    assert patched.died == 1


def test_a_delayed_call_is_made_after_a_while(patched: Patched, tmp_path: Path) -> None:
    waited: list[float] = []
    patched.install(always(tmp_path, "delay"), sleep=waited.append)
    CALLS["sqs"](client_of("sqs", tries=1))
    assert len(waited) == patched.wire.sent == 1


def test_nothing_happens_while_the_faults_are_not_armed(patched: Patched, tmp_path: Path) -> None:
    patched.install(always(tmp_path, *KINDS))
    ledger.disarm(tmp_path)
    CALLS["sqs"](client_of("sqs", tries=1))
    assert (patched.wire.sent, patched.died, ledger.by_kind(tmp_path)) == (1, 0, {})


class Api:
    """Counts the requests that reach it."""

    def __init__(self) -> None:
        self.reached = 0

    def __call__(self) -> str:
        self.reached += 1
        return "answer"


def test_a_5xx_comes_before_the_work(tmp_path: Path) -> None:
    api = Api()
    answer = HttpFaults(always(tmp_path, "api_5xx"), URL).request(api, f"{URL}/tasks/claim")
    assert answer.status in (500, 502, 503, 504)
    assert api.reached == 0
    assert ledger.read(tmp_path) == {("api_5xx", "work_api claim"): 1}


def test_a_lost_reply_comes_after_the_work(tmp_path: Path) -> None:
    api = Api()
    with pytest.raises(ProtocolError):
        HttpFaults(always(tmp_path, "lost_reply"), URL).request(api, f"{URL}/tasks/complete")
    assert api.reached == 1


def test_requests_to_other_addresses_are_left_alone(tmp_path: Path) -> None:
    api = Api()
    faults = HttpFaults(always(tmp_path, *KINDS), URL)
    assert faults.request(api, "http://127.0.0.1:2/elsewhere") == "answer"
