"""The ports on AWS: SQS and S3 as moto plays them, the work API as a server of this process."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from boto3.session import Session
from botocore.parsers import ResponseParserError
from botocore.stub import Stubber
from moto import mock_aws
from pydantic import BaseModel
from urllib3.exceptions import ProtocolError

from orchestrator.model.wire import (
    ClaimIn,
    ClaimOut,
    CompleteOut,
    HeartbeatIn,
    HeartbeatOut,
    JobInfo,
    JobStatus,
    Run,
)
from worker.aws.buckets import S3Buckets
from worker.aws.queue import SqsQueue
from worker.aws.server_time import ServerTime
from worker.aws.work_api import SignedWorkApi
from worker.ports import ApiRefused, Unavailable


@pytest.fixture
def session() -> Iterator[Session]:
    with mock_aws():
        yield Session(region_name="us-east-1")


def make_queue(session: Session) -> tuple[SqsQueue, Any, str]:
    sqs = session.client("sqs")
    url = sqs.create_queue(QueueName="tasks")["QueueUrl"]
    return SqsQueue(session, url, lease_seconds=60, wait_seconds=0), sqs, url


def test_messages_are_received_hidden_renewed_and_deleted(session: Session) -> None:
    queue, sqs, url = make_queue(session)
    sqs.send_message(QueueUrl=url, MessageBody="one")
    (received,) = queue.receive(10)
    assert (received.body, received.receive_count) == ("one", 1)
    assert queue.receive(10) == []
    assert queue.change_visibility([received.receipt], 60) == []
    assert queue.change_visibility([received.receipt], 0) == []
    (again,) = queue.receive(10)
    assert again.receive_count == 2
    assert queue.delete([again.receipt]) == []


def test_entries_that_fail_inside_a_good_answer_are_told(session: Session) -> None:
    queue, sqs, url = make_queue(session)
    sqs.send_message(QueueUrl=url, MessageBody="one")
    (received,) = queue.receive(1)
    (refusal,) = queue.change_visibility([received.receipt, "no receipt"], 60)
    assert (refusal.receipt, refusal.final) == ("no receipt", True)


def test_a_queue_that_is_not_there_may_come_back(session: Session) -> None:
    queue = SqsQueue(
        session, "https://sqs.us-east-1.amazonaws.com/1/no", lease_seconds=60, wait_seconds=0
    )
    with pytest.raises(Unavailable):
        queue.receive(1)


def test_objects_are_read_by_range_and_results_written(session: Session) -> None:
    s3 = session.client("s3")
    for bucket in ("data", "results"):
        s3.create_bucket(Bucket=bucket)
    s3.put_object(Bucket="data", Key="k", Body=b"0123456789")
    buckets = S3Buckets(session, "data", "results")
    assert buckets.read_range("k", 2, 5) == b"234"
    with pytest.raises(FileNotFoundError):
        buckets.read_range("none", 0, 1)
    buckets.put_result("r", b"{}")
    assert s3.get_object(Bucket="results", Key="r")["Body"].read() == b"{}"
    with pytest.raises(Unavailable):
        S3Buckets(session, "data", "no-bucket").put_result("r", b"{}")


@dataclass
class Server:
    """Answers every request with `status` and `body`; keeps what it got."""

    status: int = 200
    body: bytes = ClaimOut(jobs={}, messages={}).model_dump_json().encode()
    requests: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)
    url: str = ""


@pytest.fixture
def server() -> Iterator[Server]:
    state = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            state.requests.append((self.path, dict(self.headers), body))
            self.send_response(state.status)
            self.send_header("Content-Length", str(len(state.body)))
            self.end_headers()
            self.wfile.write(state.body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state.url = f"http://127.0.0.1:{http.server_port}/stage"
    threading.Thread(target=http.serve_forever, daemon=True).start()
    yield state
    http.shutdown()
    http.server_close()


@pytest.fixture
def api(server: Server) -> SignedWorkApi:
    return SignedWorkApi(Session(region_name="us-east-1"), server.url, "us-east-1", ServerTime())


def test_requests_are_signed_and_leave_out_what_is_default(
    api: SignedWorkApi, server: Server
) -> None:
    assert api.claim(ClaimIn(worker_id="w")) == ClaimOut(jobs={}, messages={})
    ((path, headers, body),) = server.requests
    assert (path, body) == ("/stage/api/v1/tasks/claim", b'{"worker_id":"w"}')
    assert "/us-east-1/execute-api/aws4_request" in headers["Authorization"]


@pytest.mark.parametrize("status", [401, 403, 408, 429, 500, 502, 503, 504])
def test_what_may_pass_is_unavailable(api: SignedWorkApi, server: Server, status: int) -> None:
    server.status = status
    with pytest.raises(Unavailable, match=str(status)):
        api.claim(ClaimIn(worker_id="w"))


@pytest.mark.parametrize("status", [400, 413, 422])
def test_a_wrong_request_is_refused(api: SignedWorkApi, server: Server, status: int) -> None:
    server.status = status
    with pytest.raises(ApiRefused) as raised:
        api.claim(ClaimIn(worker_id="w"))
    assert raised.value.status == status


def test_an_answer_that_is_not_the_apis_is_unavailable(api: SignedWorkApi, server: Server) -> None:
    server.body = b"<html>"
    with pytest.raises(Unavailable, match="not the API's"):
        api.claim(ClaimIn(worker_id="w"))


@pytest.mark.parametrize("answer", [ClaimOut, JobInfo, Run, CompleteOut, JobStatus, HeartbeatOut])
def test_fields_of_a_newer_api_are_ignored_in_every_answer(answer: type[BaseModel]) -> None:
    assert answer.model_config.get("extra") == "ignore"


def test_a_newer_api_is_understood(api: SignedWorkApi, server: Server) -> None:
    server.body = b'{"jobs": {}, "schemas_wanted": true, "of_later": [1]}'
    assert api.heartbeat("w", HeartbeatIn(version="1", slots=1, handlers=[])).schemas_wanted


def test_an_api_that_is_not_there_is_unavailable() -> None:
    session = Session(region_name="us-east-1")
    api = SignedWorkApi(session, "http://127.0.0.1:9", "us-east-1", ServerTime())
    with pytest.raises(Unavailable):
        api.claim(ClaimIn(worker_id="w"))


CODES = {
    "OverLimit": 403,
    "RequestThrottled": 403,
    "ThrottlingException": 400,
    "KmsThrottled": 400,
    "AccessDenied": 403,
    "ExpiredToken": 403,
    "InvalidClientTokenId": 403,
    "SignatureDoesNotMatch": 403,
    "QueueDoesNotExist": 400,
    "InternalError": 500,
    "ServiceUnavailable": 503,
}


@pytest.mark.parametrize("code", CODES)
def test_what_the_queue_refuses_as_a_whole_may_pass(session: Session, code: str) -> None:
    queue, _, _ = make_queue(session)
    calls: list[tuple[Any, str, Callable[[], object]]] = [
        (queue._receiver, "receive_message", lambda: queue.receive(10)),
        (
            queue._sqs,
            "change_message_visibility_batch",
            lambda: queue.change_visibility(["receipt"], 60),
        ),
        (queue._sqs, "delete_message_batch", lambda: queue.delete(["receipt"])),
    ]
    for client, method, call in calls:
        with Stubber(client) as stubber:
            stubber.add_client_error(method, code, http_status_code=CODES[code])
            with pytest.raises(Unavailable, match=code):
                call()


FINAL = {
    "ReceiptHandleIsInvalid": True,
    "MessageNotInflight": True,
    "InvalidParameterValue": True,
    "AWS.SimpleQueueService.MessageNotInflight": True,
    "AWS.SimpleQueueService.ReceiptHandleIsInvalid": True,
    "InternalError": False,
    "ServiceUnavailable": False,
    "RequestThrottled": False,
    "KmsThrottled": False,
    "AccessDenied": False,
    "OverLimit": False,
}


@pytest.mark.parametrize("sender_fault", [True, False])
@pytest.mark.parametrize("code", FINAL)
def test_only_a_receipt_that_holds_no_lease_is_refused_for_good(
    session: Session, code: str, *, sender_fault: bool
) -> None:
    queue, _, _ = make_queue(session)
    entry = {"Id": "1", "SenderFault": sender_fault, "Code": code, "Message": "m"}
    answer = {"Successful": [{"Id": "0"}], "Failed": [entry]}
    with Stubber(queue._sqs) as stubber:
        stubber.add_response("change_message_visibility_batch", answer)
        stubber.add_response("delete_message_batch", answer)
        refusals = queue.change_visibility(["good", "bad"], 60) + queue.delete(["good", "bad"])
    assert [(each.receipt, each.final) for each in refusals] == [("bad", FINAL[code])] * 2


@pytest.mark.parametrize(
    "error",
    [
        ResponseParserError("an answer that is not AWS's"),
        RuntimeError(
            "Credentials were refreshed, but the refreshed credentials are still expired."
        ),
        FileNotFoundError("the token's file"),
        PermissionError("the token's file"),
        ConnectionResetError(),
        ProtocolError("cut off"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_whatever_goes_wrong_beneath_the_ports_may_pass(session: Session, error: Exception) -> None:
    def fail(**_: object) -> None:
        raise error

    queue, _, _ = make_queue(session)
    buckets = S3Buckets(session, "data", "results")
    for client in (queue._receiver, queue._sqs, buckets._s3):
        client.meta.events.register_first("before-send", fail)
    calls: list[Callable[[], object]] = [
        lambda: queue.receive(1),
        lambda: queue.change_visibility(["r"], 1),
        lambda: queue.delete(["r"]),
        lambda: buckets.put_result("k", b"{}"),
        lambda: buckets.read_range("k", 0, 1),
    ]
    for call in calls:
        with pytest.raises(Unavailable, match=type(error).__name__):
            call()
