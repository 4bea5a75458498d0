"""The AWS adapters: against moto where it has the semantics, against a scripted client for failures."""

from __future__ import annotations

import io
import json
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, IncompleteReadError
from hypothesis import given
from hypothesis import strategies as st
from moto import mock_aws

from orchestrator.aws import (
    BATCH_MAX_BYTES,
    SEND_ROUNDS,
    Clients,
    EnqueueLater,
    S3Objects,
    SqsQueue,
    StepFunctions,
    cut_batches,
    execution_name,
    read_secret,
)
from orchestrator.errors import SendFailed
from orchestrator.model.lanes import Lane
from orchestrator.service.ports import Outgoing

JOB = "01JD8Z0K3V5N7Q9R1T3W5Y7Z9B"
MACHINE = "arn:aws:states:us-east-1:123456789012:stateMachine:test-jobs"


class Scripted(Clients):
    """Clients that answer as `script` says; `calls` are the requests."""

    def __init__(self, script: Callable[[str, dict[str, Any]], Any]) -> None:
        super().__init__()
        self.script = script
        self.calls: list[tuple[str, dict[str, Any]]] = []

    def get(self, service: str) -> Any:
        return self

    def __getattr__(self, operation: str) -> Any:
        def call(**request: Any) -> Any:
            self.calls.append((operation, request))
            answer = self.script(operation, request)
            if isinstance(answer, Exception):
                raise answer
            return answer

        return call


def refused(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": code}}, "Operation")


@pytest.fixture
def clients() -> Iterator[Clients]:
    with mock_aws():
        yield Clients()


@pytest.fixture
def bucket(clients: Clients) -> S3Objects:
    clients.get("s3").create_bucket(Bucket="data")
    return S3Objects(clients, "data")


def test_a_client_is_made_once(clients: Clients) -> None:
    assert clients.get("sqs") is clients.get("sqs")
    assert clients.get("sqs").meta.config.retries["total_max_attempts"] > 1
    assert clients.get("sqs").meta.config.read_timeout < 10


def test_objects_are_written_and_read_whole_in_part_and_together(bucket: S3Objects) -> None:
    bucket.put("a", b"0123456789", "text/plain")
    assert bucket.get("a") == b"0123456789"
    assert bucket.get("b") is None
    assert bucket.get_range("a", 2, 5) == b"234"
    assert bucket.get_range("a", 2, 2) == b""
    assert bucket.get_many(["b", "a"]) == [None, b"0123456789"]
    assert bucket.get_many(["a"]) == [b"0123456789"]
    assert bucket.get_many([]) == []


def test_a_range_of_nothing_is_an_error(bucket: S3Objects) -> None:
    with pytest.raises(ClientError, match="NoSuchKey"):
        bucket.get_range("b", 0, 1)


def test_a_bucket_that_cannot_be_read_is_no_missing_object(clients: Clients) -> None:
    with pytest.raises(ClientError, match="NoSuchBucket"):
        S3Objects(clients, "gone").get("a")


def test_a_link_is_signed_for_its_seconds(bucket: S3Objects) -> None:
    link = bucket.link("results/x.json", 900)
    assert "X-Amz-Expires=900" in link
    assert "X-Amz-Algorithm=AWS4-HMAC-SHA256" in link


def test_an_emulator_s_buckets_are_addressed_by_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://localhost:4566")
    link = S3Objects(Clients(path_style=True), "data").link("k", 60)
    assert link.startswith("http://localhost:4566/data/k?")


def test_a_body_that_breaks_off_is_read_again() -> None:
    class Body:
        def __init__(self, error: Exception | None) -> None:
            self.error = error

        def read(self) -> bytes:
            if self.error is not None:
                raise self.error
            return b"whole"

    cut = IncompleteReadError(actual_bytes=1, expected_bytes=5)
    bodies = iter([Body(cut), Body(None)])
    assert S3Objects(Scripted(lambda *_: {"Body": next(bodies)}), "b").get("k") == b"whole"
    always = Scripted(lambda *_: {"Body": Body(cut)})
    with pytest.raises(IncompleteReadError):
        S3Objects(always, "b").get("k")
    assert len(always.calls) == 3


def answered(status: int) -> ClientError:
    metadata = {"HTTPStatusCode": status, "RequestId": "r", "HostId": "h"}
    error = {"Error": {"Code": str(status), "Message": ""}, "ResponseMetadata": metadata}
    return ClientError(error, "GetObject")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "error",
    [answered(503), answered(429), answered(500), EndpointConnectionError(endpoint_url="x")],
)
def test_one_object_among_many_that_cannot_be_read_at_first_is_tried_again_alone(
    error: Exception,
) -> None:
    tries = Counter[str]()

    def script(_: str, request: dict[str, Any]) -> Any:
        tries[request["Key"]] += 1
        late = request["Key"] == "7" and tries["7"] < 4
        return error if late else {"Body": io.BytesIO(request["Key"].encode())}

    keys = [str(number) for number in range(20)]
    found = S3Objects(Scripted(script), "b", sleep=lambda _: None).get_many(keys)
    assert found == [key.encode() for key in keys]
    assert tries == Counter(keys) + Counter({"7": 3})


@pytest.mark.parametrize(("error", "tries"), [(answered(403), 1), (answered(503), 4)])
def test_an_object_that_can_never_be_read_is_an_error(error: Exception, tries: int) -> None:
    always = Scripted(lambda *_: error)
    with pytest.raises(ClientError):
        S3Objects(always, "b", sleep=lambda _: None).get_many(["k"])
    assert len(always.calls) == tries


@given(st.lists(st.integers(min_value=1, max_value=BATCH_MAX_BYTES), max_size=60))
def test_batches_keep_order_and_both_limits(sizes: list[int]) -> None:
    messages = [Outgoing(body="x" * size, group=str(n)) for n, size in enumerate(sizes)]
    batches = list(cut_batches(messages))
    assert [message for batch in batches for message in batch] == messages
    for batch in batches:
        assert 1 <= len(batch) <= 10
        assert sum(len(message.body) for message in batch) <= BATCH_MAX_BYTES


def test_batches_count_bytes_not_characters() -> None:
    messages = [Outgoing(body="é" * 100_000, group="g")] * 2
    assert [len(batch) for batch in cut_batches(messages)] == [1, 1]


def test_messages_arrive_with_their_group_and_delay(clients: Clients) -> None:
    sqs = clients.get("sqs")
    url = sqs.create_queue(QueueName="tasks")["QueueUrl"]
    SqsQueue(clients, {Lane.ORDINARY: url}).send(
        [Outgoing(body=str(n), group=JOB, delay_seconds=0) for n in range(45)]
        + [Outgoing(body="later", group=JOB, delay_seconds=900)]
    )
    bodies: list[str] = []
    while messages := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
        bodies += [message["Body"] for message in messages]
    assert sorted(bodies, key=int) == [str(n) for n in range(45)]
    counts = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    assert counts["ApproximateNumberOfMessagesDelayed"] == "1"


def test_each_lane_has_a_queue_of_its_own(clients: Clients) -> None:
    sqs = clients.get("sqs")
    urls = {lane: sqs.create_queue(QueueName=lane.value)["QueueUrl"] for lane in Lane}
    lanes = [Lane.EXPRESS, Lane.ORDINARY, Lane.EXPRESS]
    SqsQueue(clients, urls).send(
        [Outgoing(body=f"{lane} {n}", group=JOB, lane=lane) for n, lane in enumerate(lanes)]
    )
    found = {
        lane: sqs.receive_message(QueueUrl=urls[lane], MaxNumberOfMessages=10) for lane in Lane
    }
    bodies = {lane: sorted(each["Body"] for each in found[lane]["Messages"]) for lane in Lane}
    assert bodies == {Lane.EXPRESS: ["express 0", "express 2"], Lane.ORDINARY: ["ordinary 1"]}


def _queue(clients: Clients, slept: list[float]) -> SqsQueue:
    return SqsQueue(clients, {Lane.ORDINARY: "url"}, sleep=slept.append, random=lambda: 1.0)


def test_failed_entries_alone_are_sent_again_with_back_off() -> None:
    def script(_: str, request: dict[str, Any]) -> Any:
        failing = [entry for entry in request["Entries"] if entry["Id"] in ("1", "3")]
        if len(scripted.calls) > 2:
            return {"Successful": []}
        return {"Failed": [{"Id": entry["Id"], "Code": "Busy"} for entry in failing]}

    scripted, slept = Scripted(script), list[float]()
    _queue(scripted, slept).send([Outgoing(body=str(n), group="g") for n in range(5)])
    sent = [[e["MessageBody"] for e in request["Entries"]] for _, request in scripted.calls]
    assert sent == [["0", "1", "2", "3", "4"], ["1", "3"], ["1", "3"]]
    assert slept == [0.2, 0.4]


@pytest.mark.parametrize(
    "answer",
    [
        {"Failed": [{"Id": "0", "Code": "InternalError", "SenderFault": False}]},
        refused("ServiceUnavailable"),
        EndpointConnectionError(endpoint_url="http://localhost"),
    ],
)
def test_what_cannot_be_sent_is_told_after_bounded_tries(answer: object) -> None:
    scripted, slept = Scripted(lambda *_: answer), list[float]()
    with pytest.raises(SendFailed, match="1 of 1 messages were refused"):
        _queue(scripted, slept).send([Outgoing(body="x", group="g")])
    assert len(scripted.calls) == SEND_ROUNDS
    assert max(slept) <= 3.0


def test_a_failure_in_one_of_many_batches_is_told() -> None:
    def script(_: str, request: dict[str, Any]) -> Any:
        bad = [e for e in request["Entries"] if e["MessageBody"] == "55"]
        return {"Failed": [{"Id": entry["Id"], "Code": "Busy"} for entry in bad]}

    with pytest.raises(SendFailed, match="Busy"):
        _queue(Scripted(script), []).send([Outgoing(body=str(n), group="g") for n in range(100)])


def test_nothing_to_send_asks_nobody() -> None:
    scripted = Scripted(lambda *_: None)
    _queue(scripted, []).send([])
    assert scripted.calls == []


@pytest.fixture
def machine(clients: Clients) -> StepFunctions:
    definition = {"StartAt": "A", "States": {"A": {"Type": "Wait", "Seconds": 60, "End": True}}}
    arn = clients.get("stepfunctions").create_state_machine(
        name="test-jobs",
        definition=json.dumps(definition),
        roleArn="arn:aws:iam::123456789012:role/machine",
    )["stateMachineArn"]
    return StepFunctions(clients, arn)


def test_an_execution_is_started_once_found_and_stopped(machine: StepFunctions) -> None:
    assert machine.status(JOB, 1, 1) is None
    machine.start(JOB, 1, 1)
    machine.start(JOB, 1, 1)
    assert machine.status(JOB, 1, 1) == "RUNNING"
    machine.stop(JOB, 1, 1, "no progress")
    machine.stop(JOB, 1, 1, "again")
    assert machine.status(JOB, 1, 1) == "ABORTED"
    machine.start(JOB, 1, 1)
    assert machine.status(JOB, 1, 1) == "ABORTED"
    machine.stop(JOB, 1, 2, "there is none")


def test_the_input_is_the_same_to_the_byte() -> None:
    scripted = Scripted(lambda *_: {})
    StepFunctions(scripted, MACHINE).start(JOB, 2, 3)
    ((operation, request),) = scripted.calls
    assert operation == "start_execution"
    assert request["name"] == execution_name(JOB, 2, 3) == f"{JOB}-2-3"
    assert request["input"] == f'{{"job_id":"{JOB}","gen":2,"exec":3}}'


def test_an_execution_is_described_by_its_arn() -> None:
    scripted = Scripted(lambda *_: {"status": "TIMED_OUT"})
    assert StepFunctions(scripted, MACHINE).status(JOB, 1, 4) == "TIMED_OUT"
    ((_, request),) = scripted.calls
    expected = f"arn:aws:states:us-east-1:123456789012:execution:test-jobs:{JOB}-1-4"
    assert request["executionArn"] == expected


def test_a_start_that_is_refused_for_another_reason_is_an_error() -> None:
    with pytest.raises(ClientError, match="AccessDenied"):
        StepFunctions(Scripted(lambda *_: refused("AccessDenied")), MACHINE).start(JOB, 1, 1)


@pytest.mark.parametrize("code", ["TaskTimedOut", "TaskDoesNotExist", "InvalidToken"])
def test_a_used_up_token_is_told_and_is_no_error(code: str) -> None:
    assert StepFunctions(Scripted(lambda *_: refused(code)), MACHINE).send_success("t", {}) is False


def test_a_token_is_sent_with_its_output() -> None:
    scripted = Scripted(lambda *_: {})
    assert StepFunctions(scripted, MACHINE).send_success("t", {"stopping": True}) is True
    assert scripted.calls == [
        ("send_task_success", {"taskToken": "t", "output": '{"stopping":true}'})
    ]


def test_a_token_that_cannot_be_sent_is_an_error() -> None:
    with pytest.raises(ClientError, match="AccessDenied"):
        StepFunctions(Scripted(lambda *_: refused("AccessDenied")), MACHINE).send_success("t", {})


def test_enqueueing_later_is_an_asynchronous_call() -> None:
    scripted = Scripted(lambda *_: {"StatusCode": 202})
    EnqueueLater(scripted, "x-enqueue-tasks")(JOB, 2)
    ((operation, request),) = scripted.calls
    assert operation == "invoke"
    assert request["InvocationType"] == "Event"
    assert json.loads(request["Payload"]) == {"job_id": JOB, "gen": 2}


@pytest.mark.parametrize("answer", [{"StatusCode": 500}, {"StatusCode": 202, "FunctionError": "x"}])
def test_a_call_that_lambda_does_not_take_is_an_error(answer: dict[str, object]) -> None:
    with pytest.raises(RuntimeError, match="x-enqueue-tasks"):
        EnqueueLater(Scripted(lambda *_: answer), "x-enqueue-tasks")(JOB, 1)


def test_a_secret_is_read(clients: Clients) -> None:
    arn = clients.get("secretsmanager").create_secret(Name="cursor", SecretString="s3cr3t")["ARN"]
    assert read_secret(clients, arn) == b"s3cr3t"
