"""The product beside what a user might take instead: rates, each net of the emulator's own time."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from local import aws
from local.stack import Running
from tests.bench import cpu, floor, throughput
from tests.bench.peer import celery_run, plain

TASKS = 2_000
PLAIN_TASKS = 400
GOAL_TIMES = 5


def measure(running: Running) -> None:
    """Print the rates of one run after the other on the same emulator, and where our time goes."""
    stack = running.stack
    throughput.warm(stack)
    before = cpu.read(running)
    ours = throughput.rate(stack, TASKS)
    used = cpu.since(cpu.read(running), before)
    celery = celery_run.tasks_per_second(stack.endpoint_url, TASKS)
    simple = plain.tasks_per_second(stack, PLAIN_TASKS)
    messages = TASKS // throughput.TASKS_PER_MESSAGE
    each = floor.per_task(stack.endpoint_url, messages)
    own = each["message"] / throughput.TASKS_PER_MESSAGE + each["row"]
    theirs = _celery_floor(stack.endpoint_url, messages)
    print(f"\n{TASKS:,} no-op tasks beside others, two workers each, milliseconds a task")
    print(f"  floor: the same calls alone, one after the other, {messages} messages in the queue")
    print(f"  {'':<34}{'tasks/s':>9}{'all':>9}{'floor':>9}{'net':>9}")
    nets = [_line("this product", ours, own), _line("Celery 5.7, SQS and DynamoDB", celery, theirs)]
    _line(f"a plain design, {plain.AT_ONCE} at once", simple, 0.0)
    print(f"  times Celery's rate: {ours / celery:.1f} (goal {GOAL_TIMES})")
    print(f"  times Celery's rate, each net of its floor: {nets[1] / nets[0]:.1f}")
    cpu.print_per_task(used, TASKS)


def _line(name: str, rate: float, own: float) -> float:
    """Print a rate; return what is not the emulator's, in seconds a task."""
    net = 1 / rate - own
    figures = "".join(f"{1000 * value:9.2f}" for value in (1 / rate, own, net))
    print(f"  {name:<34}{rate:9.1f}{figures}")
    return net


def _celery_floor(endpoint_url: str, messages: int) -> float:
    """Return the emulator's seconds for what Celery asks of it: send, receive, delete and put, one by one.

    Celery takes up to ten messages a receive; `messages` lie in the queue meanwhile.
    """
    sqs, dynamo = aws.client("sqs", endpoint_url), aws.client("dynamodb", endpoint_url)
    name = f"floor-{uuid4().hex[:8]}"
    url = sqs.create_queue(QueueName=name)["QueueUrl"]
    body = "x" * 900
    sent = floor.seconds(lambda: sqs.send_message(QueueUrl=url, MessageBody=body), messages)
    got: list[Any] = []

    def receive() -> None:
        got.extend(sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", []))

    received = floor.seconds(receive, 10)
    receipts = iter(got)
    deleted = floor.seconds(
        lambda: sqs.delete_message(QueueUrl=url, ReceiptHandle=next(receipts)["ReceiptHandle"]),
        len(got),
    )
    sqs.delete_queue(QueueUrl=url)
    item = {"id": {"S": uuid4().hex}, "result": {"B": b"x" * 200}}
    put = floor.seconds(lambda: dynamo.put_item(TableName="peer-results", Item=item), 50)
    return _mean(sent) + _mean(received) / 10 + _mean(deleted) + _mean(put)


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)
