"""S3, SQS, Step Functions, Lambda and Secrets Manager. botocore lives only here.

botocore's own session, not boto3: a function imports 30 ms faster and nothing of boto3 is needed.
"""

from __future__ import annotations

import json
import random as _random
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    IncompleteReadError,
    ReadTimeoutError,
    ResponseStreamingError,
)
from botocore.session import Session

from orchestrator.errors import SendFailed
from orchestrator.model.lanes import Lane
from orchestrator.service.ports import Outgoing

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import SendMessageBatchRequestEntryTypeDef
    from mypy_boto3_stepfunctions import SFNClient

CONNECT_SECONDS = 2
READ_SECONDS = 6
"""So that a call that hangs is tried again while its caller (29 s at most) still waits."""
ATTEMPTS = 4
READ_ATTEMPTS = 3
MANY_ROUNDS = 4
"""Of each object among many: one that S3 throttles for long must not cost all the others."""
PARALLEL = 16
BATCH_MAX_ENTRIES = 10
BATCH_MAX_BYTES = 256 * 1024
"""SQS's limit for a batch until 2025, and still that of emulators; AWS takes 1 MiB now."""
SEND_ROUNDS = 6
SEND_BASE_SECONDS = 0.1
SEND_CAP_SECONDS = 3.0


def error_code(error: ClientError) -> str:
    """Return AWS's code of an error, such as NoSuchKey."""
    return str(error.response.get("Error", {}).get("Code", ""))


def passes(error: BotoCoreError | ClientError) -> bool:
    """Tell whether another try may help: AWS was throttling or in trouble, or did not answer."""
    if not isinstance(error, ClientError):
        return True
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return status == 429 or status >= 500


class Clients:
    """One client a service, made when it is first asked for; safe to use from several threads.

    `path_style`: address buckets by path, since an emulator need not resolve <bucket>.<host>.
    """

    def __init__(self, *, path_style: bool = False) -> None:
        self._session = Session()
        self._path_style = path_style
        self._lock = threading.Lock()
        self._made: dict[str, Any] = {}

    def get(self, service: str) -> Any:
        """Return the client of `service`; botocore's clients are thread-safe, making one is not."""
        client = self._made.get(service)
        if client is None:
            with self._lock:
                client = self._made.get(service)
                if client is None:
                    client = self._session.create_client(service, config=self._config(service))
                    self._made[service] = client
        return client

    def _config(self, service: str) -> Config:
        return Config(
            connect_timeout=CONNECT_SECONDS,
            read_timeout=READ_SECONDS,
            retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
            max_pool_connections=2 * PARALLEL,
            signature_version="s3v4" if service == "s3" else None,
            s3={"addressing_style": "path" if self._path_style else "auto"},
        )


@dataclass(frozen=True, slots=True)
class S3Objects:
    """`ports.Objects` on one bucket; `random` in [0, 1) is the jitter."""

    clients: Clients
    bucket: str
    sleep: Callable[[float], None] = time.sleep
    random: Callable[[], float] = _random.random

    @property
    def _s3(self) -> S3Client:
        client: S3Client = self.clients.get("s3")
        return client

    def put(self, key: str, body: bytes, content_type: str) -> None:
        """Write an object."""
        self._s3.put_object(Bucket=self.bucket, Key=key, Body=body, ContentType=content_type)

    def get(self, key: str) -> bytes | None:
        """Read an object whole; None where there is none."""
        try:
            return self._read(Key=key)
        except ClientError as error:
            if error_code(error) in ("NoSuchKey", "404"):
                return None
            raise

    def get_range(self, key: str, start: int, stop: int) -> bytes:
        """Read bytes [start, stop) of an object that exists."""
        if stop <= start:
            return b""
        return self._read(Key=key, Range=f"bytes={start}-{stop - 1}")

    def _read(self, **request: str) -> bytes:
        """Read a body to its end: botocore repeats requests, but not a body that breaks off."""
        for attempt in range(1, READ_ATTEMPTS + 1):
            try:
                answer = self._s3.get_object(Bucket=self.bucket, **request)  # type: ignore[arg-type]
                return answer["Body"].read()
            except (IncompleteReadError, ReadTimeoutError, ResponseStreamingError):
                if attempt == READ_ATTEMPTS:
                    raise
        raise AssertionError("unreachable")

    def get_many(self, keys: Sequence[str]) -> list[bytes | None]:
        """Read objects in parallel, in the given order; what fails is tried again alone."""
        if len(keys) < 2:
            return [self._get_again(key) for key in keys]
        with ThreadPoolExecutor(min(PARALLEL, len(keys))) as pool:
            return list(pool.map(self._get_again, keys))

    def _get_again(self, key: str) -> bytes | None:
        for attempt in range(1, MANY_ROUNDS):
            try:
                return self.get(key)
            except (BotoCoreError, ClientError) as error:
                if not passes(error):
                    raise
                self.sleep(min(SEND_CAP_SECONDS, SEND_BASE_SECONDS * 2**attempt) * self.random())
        return self.get(key)

    def link(self, key: str, seconds: int) -> str:
        """Return a presigned GET URL; it dies with the role's session, hours at the latest."""
        return self._s3.generate_presigned_url(
            "get_object", Params={"Bucket": self.bucket, "Key": key}, ExpiresIn=seconds
        )


def cut_batches(messages: Iterable[Outgoing]) -> Iterator[list[Outgoing]]:
    """Cut messages into batches of one lane, at most ten and 256 KiB; order is kept."""
    batch: list[Outgoing] = []
    size = 0
    for message in messages:
        length = len(message.body.encode())
        full = len(batch) == BATCH_MAX_ENTRIES or size + length > BATCH_MAX_BYTES
        if batch and (full or message.lane is not batch[0].lane):
            yield batch
            batch, size = [], 0
        batch.append(message)
        size += length
    if batch:
        yield batch


@dataclass(frozen=True, slots=True)
class SqsQueue:
    """`ports.Queue` on a standard queue a lane; `random` in [0, 1) is the jitter."""

    clients: Clients
    urls: Mapping[Lane, str]
    sleep: Callable[[float], None] = time.sleep
    random: Callable[[], float] = _random.random

    def send(self, messages: Sequence[Outgoing]) -> None:
        """Send all; entries that failed alone are tried again. Raises SendFailed.

        A batch whose answer is lost is sent twice: consumers expect duplicates.
        """
        batches = list(cut_batches(messages))
        if len(batches) < 3:
            for batch in batches:
                self._send_batch(batch)
            return
        with ThreadPoolExecutor(min(PARALLEL // 2, len(batches))) as pool:
            list(pool.map(self._send_batch, batches))

    def _send_batch(self, batch: list[Outgoing]) -> None:
        waiting = dict(enumerate(batch))
        why = ""
        for attempt in range(SEND_ROUNDS):
            if attempt:
                self.sleep(min(SEND_CAP_SECONDS, SEND_BASE_SECONDS * 2**attempt) * self.random())
            failed, why = self._try(waiting)
            waiting = {number: waiting[number] for number in failed}
            if not waiting:
                return
        raise SendFailed(f"{len(waiting)} of {len(batch)} messages were refused: {why}")

    def _try(self, waiting: Mapping[int, Outgoing]) -> tuple[list[int], str]:
        """Send once; return which entries failed, and why. An HTTP 200 may hold failed ones."""
        sqs: SQSClient = self.clients.get("sqs")
        url = self.urls[next(iter(waiting.values())).lane]
        entries = [_entry(number, message) for number, message in waiting.items()]
        try:
            answer = sqs.send_message_batch(QueueUrl=url, Entries=entries)
        except (BotoCoreError, ClientError) as error:
            return list(waiting), repr(error)
        failed = answer.get("Failed", [])
        codes = sorted({entry["Code"] for entry in failed})
        return [int(entry["Id"]) for entry in failed], ", ".join(codes)


def _entry(number: int, message: Outgoing) -> SendMessageBatchRequestEntryTypeDef:
    entry: SendMessageBatchRequestEntryTypeDef = {
        "Id": str(number),
        "MessageBody": message.body,
        "MessageGroupId": message.group,
    }
    if message.delay_seconds:
        entry["DelaySeconds"] = message.delay_seconds
    return entry


@dataclass(frozen=True, slots=True)
class StepFunctions:
    """`ports.Machine` on one state machine."""

    clients: Clients
    arn: str

    @property
    def _sfn(self) -> SFNClient:
        client: SFNClient = self.clients.get("stepfunctions")
        return client

    def _execution(self, job_id: str, gen: int, exec: int) -> str:
        prefix = self.arn.replace(":stateMachine:", ":execution:", 1)
        return f"{prefix}:{execution_name(job_id, gen, exec)}"

    def start(self, job_id: str, gen: int, exec: int) -> None:
        """Start the execution; one that is there already, running or ended, is fine.

        The input is the same to the byte each time, so Step Functions knows a repeat as one.
        """
        try:
            self._sfn.start_execution(
                stateMachineArn=self.arn,
                name=execution_name(job_id, gen, exec),
                input=_compact({"job_id": job_id, "gen": gen, "exec": exec}),
            )
        except ClientError as error:
            if error_code(error) != "ExecutionAlreadyExists":
                raise

    def status(self, job_id: str, gen: int, exec: int) -> str | None:
        """Return the execution's status, None where there is none."""
        try:
            return self._sfn.describe_execution(
                executionArn=self._execution(job_id, gen, exec), includedData="METADATA_ONLY"
            )["status"]
        except ClientError as error:
            if error_code(error) == "ExecutionDoesNotExist":
                return None
            raise

    def stop(self, job_id: str, gen: int, exec: int, cause: str) -> None:
        """Stop the execution; one that has ended, or never was, is fine."""
        try:
            self._sfn.stop_execution(
                executionArn=self._execution(job_id, gen, exec), error="Stopped", cause=cause
            )
        except ClientError as error:
            if error_code(error) != "ExecutionDoesNotExist":
                raise

    def send_success(self, token: str, output: Mapping[str, object]) -> bool:
        """Give a waiting task its output; False where the token is used up or too old."""
        try:
            self._sfn.send_task_success(taskToken=token, output=_compact(output))
        except ClientError as error:
            if error_code(error) in ("TaskTimedOut", "TaskDoesNotExist", "InvalidToken"):
                return False
            raise
        return True


def execution_name(job_id: str, gen: int, exec: int) -> str:
    """Return the name of an execution: it can be used only once in 90 days."""
    return f"{job_id}-{gen}-{exec}"


def _compact(value: Mapping[str, object]) -> str:
    return json.dumps(value, separators=(",", ":"))


@dataclass(frozen=True, slots=True)
class EnqueueLater:
    """Invoke EnqueueTasks asynchronously."""

    clients: Clients
    function: str

    def __call__(self, job_id: str, gen: int) -> None:
        """Leave the call with Lambda. Raises where Lambda does not take it."""
        answer = self.clients.get("lambda").invoke(
            FunctionName=self.function,
            InvocationType="Event",
            Payload=_compact({"job_id": job_id, "gen": gen}).encode(),
        )
        if answer["StatusCode"] != 202 or answer.get("FunctionError"):
            raise RuntimeError(f"{self.function} was not invoked: HTTP {answer['StatusCode']}")


def read_secret(clients: Clients, arn: str) -> bytes:
    """Return a secret's value."""
    value: str = clients.get("secretsmanager").get_secret_value(SecretId=arn)["SecretString"]
    return value.encode()
