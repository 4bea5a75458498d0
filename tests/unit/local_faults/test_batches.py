"""Batches fail in part, as AWS lets them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from local.faults import ledger
from local.faults.aws_calls import AwsFaults
from local.faults.batches import BATCHES, partly
from tests.unit.local_faults.dice import always

ITEMS = [{"pk": {"S": str(number)}, "sk": {"S": "x"}} for number in range(10)]
WRITES: list[Any] = [{"PutRequest": {"Item": item}} for item in ITEMS]
ENTRIES = [{"Id": str(number), "MessageBody": "x"} for number in range(10)]
STATEMENTS = [{"Statement": str(number)} for number in range(10)]
PARAMS: dict[str, dict[str, Any]] = {
    "sqs.SendMessageBatch": {"QueueUrl": "q", "Entries": ENTRIES},
    "sqs.DeleteMessageBatch": {"QueueUrl": "q", "Entries": ENTRIES},
    "sqs.ChangeMessageVisibilityBatch": {"QueueUrl": "q", "Entries": ENTRIES},
    "dynamodb.BatchWriteItem": {"RequestItems": {"t": WRITES}},
    "dynamodb.BatchGetItem": {"RequestItems": {"t": {"Keys": ITEMS, "ConsistentRead": True}}},
    "dynamodb.BatchExecuteStatement": {"Statements": STATEMENTS},
}


class Service:
    """Does what a batch asks for, and remembers it."""

    def __init__(self, on: str) -> None:
        self._on = on
        self.done: list[Any] = []

    def __call__(self, params: dict[str, Any]) -> Any:
        entries = BATCHES[self._on].entries(params)
        self.done += entries
        if self._on.startswith("sqs."):
            return {"Successful": [{"Id": entry["Id"]} for entry in entries]}
        if self._on == "dynamodb.BatchGetItem":
            return {"Responses": {"t": [{**key, "v": {"S": "v"}} for key in entries]}}
        if self._on == "dynamodb.BatchExecuteStatement":
            return {"Responses": [{"of": entry["Statement"]} for entry in entries]}
        return {}


def outcome(on: str, answer: Any) -> tuple[list[Any], list[Any]]:
    """Return what a batch's answer says to have been done, and what not."""
    if on.startswith("sqs."):
        by_id = {entry["Id"]: entry for entry in ENTRIES}
        failed = [by_id[entry["Id"]] for entry in answer["Failed"]]
        return [by_id[entry["Id"]] for entry in answer["Successful"]], failed
    if on == "dynamodb.BatchGetItem":
        got = [{"pk": item["pk"], "sk": item["sk"]} for item in answer["Responses"]["t"]]
        return got, answer["UnprocessedKeys"]["t"]["Keys"]
    if on == "dynamodb.BatchWriteItem":
        left = answer["UnprocessedItems"]["t"]
        return [entry for entry in WRITES if entry not in left], left
    pairs = list(zip(STATEMENTS, answer["Responses"], strict=True))
    done = [entry for entry, response in pairs if response.get("of") == entry["Statement"]]
    return done, [entry for entry, response in pairs if "Error" in response]


@pytest.mark.parametrize("on", BATCHES)
def test_a_batch_fails_in_part_and_no_entry_is_both_or_neither(on: str, tmp_path: Path) -> None:
    dice = always(tmp_path, "partial")
    done_though_failed = 0
    for _ in range(50):
        service = Service(on)
        said_done, said_failed = outcome(on, partly(BATCHES[on], PARAMS[on], service, dice, on))
        assert said_failed
        everything = BATCHES[on].entries(PARAMS[on])
        assert sorted(map(str, [*said_done, *said_failed])) == sorted(map(str, everything))
        assert all(entry in service.done for entry in said_done)
        done_though_failed += sum(entry in service.done for entry in said_failed)
    assert done_though_failed > 0


def test_a_batch_of_one_fails_whole(tmp_path: Path) -> None:
    on = "sqs.DeleteMessageBatch"
    params = {"QueueUrl": "q", "Entries": ENTRIES[:1]}
    answer = partly(BATCHES[on], params, Service(on), always(tmp_path, "partial"), on)
    assert [entry["Id"] for entry in answer["Failed"]] == ["0"]
    assert answer["Successful"] == []


class _Client:
    """What the faults ask of a client: the name of its service."""

    def __init__(self) -> None:
        self.meta = self
        self.service_model = self
        self.service_name = "sqs"


def test_messages_go_twice_but_not_those_that_did_not_go_once(
    tmp_path: Path,
) -> None:
    sends: list[list[str]] = []

    def real(_client: Any, _operation: str, params: dict[str, Any]) -> Any:
        ids = [entry["Id"] for entry in params["Entries"]]
        sends.append(ids)
        return {"Successful": [{"Id": number} for number in ids if number != "3"], "Failed": []}

    faults = AwsFaults(always(tmp_path, "duplicate"), die=None)
    faults.call(real, _Client(), "SendMessageBatch", PARAMS["sqs.SendMessageBatch"])
    assert sends[0] == [str(number) for number in range(10)]
    assert sends[1] == [str(number) for number in range(10) if number != 3]
    assert ledger.by_kind(tmp_path) == {"duplicate": 9}
