"""The machine's floor: what the emulator alone takes for the same calls, at the same queue length."""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import quantiles
from typing import Any
from uuid import uuid4

from local import aws


def seconds(action: Callable[[], object], times: int) -> list[float]:
    """Time an action."""
    taken = []
    for _ in range(times):
        begun = time.perf_counter()
        action()
        taken.append(time.perf_counter() - begun)
    return taken


def percentile(values: list[float], percent: int) -> float:
    """Return a percentile of at least two values."""
    return quantiles(values, n=100, method="inclusive")[percent - 1]


def per_task(endpoint_url: str, messages: int) -> dict[str, float]:
    """Return the emulator's own seconds for a message's send, receive and delete, and for a row.

    `messages` lie in the queue meanwhile, as in the run: receive and delete scan the whole queue.
    """
    sqs = aws.client("sqs", endpoint_url)
    url = sqs.create_queue(QueueName=f"floor-{uuid4().hex[:8]}")["QueueUrl"]
    body = "x" * 300
    entries = [{"Id": str(n), "MessageBody": body} for n in range(10)]
    sent = seconds(lambda: sqs.send_message_batch(QueueUrl=url, Entries=entries), messages // 10)

    def receive() -> None:
        got = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
        sqs.delete_message_batch(
            QueueUrl=url,
            Entries=[
                {"Id": str(n), "ReceiptHandle": m["ReceiptHandle"]} for n, m in enumerate(got)
            ],
        )

    received = seconds(receive, 10)
    sqs.delete_queue(QueueUrl=url)
    return {
        "message": sum(sent) / len(sent) / 10 + sum(received) / len(received) / 10,
        "row": _row(endpoint_url),
    }


def _row(endpoint_url: str) -> float:
    dynamo: Any = aws.client("dynamodb", endpoint_url)
    table = f"floor-{uuid4().hex[:8]}"
    dynamo.create_table(
        TableName=table,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
    )

    def insert() -> None:
        statements = [
            {
                "Statement": f"INSERT INTO \"{table}\" VALUE {{'pk': ?, 'v': ?}}",
                "Parameters": [{"S": uuid4().hex}, {"S": "x" * 300}],
            }
            for _ in range(25)
        ]
        dynamo.batch_execute_statement(Statements=statements)

    taken = seconds(insert, 20)
    dynamo.delete_table(TableName=table)
    return sum(taken) / len(taken) / 25
