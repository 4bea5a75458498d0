"""The task queue on SQS."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from boto3.session import Session

from worker.aws.clients import client, later
from worker.ports import Received, Refusal

_CALL_SECONDS = 10
_NOT_OURS = frozenset({"ReceiptHandleIsInvalid", "MessageNotInflight", "InvalidParameterValue"})
"""Codes of an entry that say that its receipt holds no lease; the last is what SQS says of a message
whose time-out has passed. Others, whosever fault SQS calls them (a throttled key too), may pass."""


class SqsQueue:
    """A queue by its URL. Receiving names the lease, so that the queue's own default does not matter."""

    def __init__(
        self, session: Session, url: str, *, lease_seconds: int, wait_seconds: int
    ) -> None:
        self._url = url
        self._lease_seconds = lease_seconds
        self._wait_seconds = wait_seconds
        # One try: the callers wait with jitter of their own, for as long as their leases live.
        # A call that hangs must leave time for others before a lease ends.
        call_seconds = min(_CALL_SECONDS, lease_seconds / 4)
        self._sqs = client(session, "sqs", read_seconds=call_seconds, tries=1)
        self._receiver = client(session, "sqs", read_seconds=wait_seconds + _CALL_SECONDS, tries=1)

    def receive(self, count: int, *, wait: bool = True) -> list[Received]:
        """Wait for messages, if wanted, and return at most `count`."""
        with later():
            answer = self._receiver.receive_message(
                QueueUrl=self._url,
                MaxNumberOfMessages=count,
                WaitTimeSeconds=self._wait_seconds if wait else 0,
                VisibilityTimeout=self._lease_seconds,
                MessageSystemAttributeNames=["ApproximateReceiveCount", "SentTimestamp"],
            )
        return [_received(message) for message in answer.get("Messages", [])]

    def change_visibility(self, receipts: Sequence[str], seconds: int) -> list[Refusal]:
        """Hide messages for `seconds` from now; return those for which it failed."""
        entries = [
            {"Id": str(number), "ReceiptHandle": receipt, "VisibilityTimeout": seconds}
            for number, receipt in enumerate(receipts)
        ]
        with later():
            answer = self._sqs.change_message_visibility_batch(QueueUrl=self._url, Entries=entries)
        return _refusals(receipts, answer)

    def delete(self, receipts: Sequence[str]) -> list[Refusal]:
        """Delete messages; return those for which it failed."""
        entries = [
            {"Id": str(number), "ReceiptHandle": receipt} for number, receipt in enumerate(receipts)
        ]
        with later():
            answer = self._sqs.delete_message_batch(QueueUrl=self._url, Entries=entries)
        return _refusals(receipts, answer)


def _received(message: Mapping[str, Any]) -> Received:
    attributes = message.get("Attributes", {})
    return Received(
        message_id=message["MessageId"],
        receipt=message["ReceiptHandle"],
        receive_count=int(attributes.get("ApproximateReceiveCount", 1)),
        body=message["Body"],
        sent_at_ms=int(attributes.get("SentTimestamp", 0)),
    )


def _refusals(receipts: Sequence[str], answer: Mapping[str, Any]) -> list[Refusal]:
    return [
        Refusal(receipts[int(entry["Id"])], _code(entry) in _NOT_OURS, _code(entry))
        for entry in answer.get("Failed", [])
    ]


def _code(entry: Mapping[str, Any]) -> str:
    """Return an entry's code, without the prefix of SQS's older protocol."""
    return str(entry.get("Code")).rpartition(".")[2]
