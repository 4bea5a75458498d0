"""A plain design, call by call: what each task costs that is received, started, completed and counted alone."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from time import perf_counter, process_time
from typing import Any
from uuid import uuid4

from local import api, aws
from local.stack import Running, Stack
from tests.bench import cpu
from tests.bench.peer.cost import Cost

AT_ONCE = 4


class Plain:
    """Tables and a queue of its own; `run` does a task's calls."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._sqs: Any = aws.client("sqs", stack.endpoint_url)
        self._dynamo: Any = aws.client("dynamodb", stack.endpoint_url)
        self._states: Any = aws.client("stepfunctions", stack.endpoint_url)
        name = f"plain-{uuid4().hex[:8]}"
        self._queue = self._sqs.create_queue(QueueName=name)["QueueUrl"]
        self._table = name
        self._dynamo.create_table(
            TableName=name,
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        )
        machine = {"StartAt": "Done", "States": {"Done": {"Type": "Pass", "End": True}}}
        self._machine = self._states.create_state_machine(
            name=name, definition=json.dumps(machine), roleArn="arn:aws:iam::000000000000:role/x"
        )["stateMachineArn"]

    def send(self, tasks: int) -> None:
        """Fill the queue."""
        for start in range(0, tasks, 10):
            entries = [{"Id": str(n), "MessageBody": str(n)} for n in range(start, start + 10)]
            self._sqs.send_message_batch(QueueUrl=self._queue, Entries=entries)

    def run(self) -> None:
        """Receive a message, mark its row, report over HTTP, count in a transaction, one transition, delete."""
        (message,) = self._sqs.receive_message(QueueUrl=self._queue)["Messages"]
        row = {"pk": {"S": message["MessageId"]}}
        self._update(row, "SET #s = :s", "RUNNING")
        api.send("GET", f"{self._stack.api_url}/api/v1/health")
        update = {
            "TableName": self._table,
            "ExpressionAttributeNames": {"#s": "state"},
            "ExpressionAttributeValues": {":s": {"S": "DONE"}},
            "UpdateExpression": "SET #s = :s",
            "Key": row,
        }
        count = {
            "TableName": self._table,
            "Key": {"pk": {"S": "job"}},
            "UpdateExpression": "ADD done :one",
            "ExpressionAttributeValues": {":one": {"N": "1"}},
        }
        self._dynamo.transact_write_items(TransactItems=[{"Update": update}, {"Update": count}])
        self._states.start_execution(stateMachineArn=self._machine)
        receipt = message["ReceiptHandle"]
        self._sqs.delete_message(QueueUrl=self._queue, ReceiptHandle=receipt)

    def _update(self, key: dict[str, Any], expression: str, state: str) -> None:
        self._dynamo.update_item(
            TableName=self._table,
            Key=key,
            UpdateExpression=expression,
            ExpressionAttributeNames={"#s": "state"},
            ExpressionAttributeValues={":s": {"S": state}},
        )


def cost(running: Running, tasks: int) -> Cost:
    """Run the calls of `tasks` tasks, four at once, in this process; return what it took."""
    plain = Plain(running.stack)
    plain.send(tasks)
    before, own, begun = cpu.read(running), process_time(), perf_counter()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for done in [pool.submit(plain.run) for _ in range(tasks)]:
            done.result()
    seconds = perf_counter() - begun
    used = cpu.since(cpu.read(running), before)
    used["caller"] = round(1000 * (process_time() - own))
    return Cost(f"a plain design, {AT_ONCE} at once", tasks, seconds, used)
