"""Batches that fail in part inside an answer of success, and messages that go twice.

Of an entry that is said to have failed, one in two is done all the same: AWS promises no more.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from local.faults.dice import Dice

type Send = Callable[[dict[str, Any]], Any]


@dataclass(frozen=True, slots=True)
class Batch:
    """How the entries of a batch are read, chosen, and said to have failed."""

    entries: Callable[[dict[str, Any]], list[Any]]
    only: Callable[[dict[str, Any], list[Any]], dict[str, Any]]
    fail: Callable[[dict[str, Any], Any, Sequence[int], Sequence[int]], Any]


def partly(batch: Batch, params: dict[str, Any], send: Send, dice: Dice, on: str) -> Any:
    """Send a batch of which at least one entry fails."""
    entries = batch.entries(params)
    count = len(entries)
    failed = [number for number in range(count) if dice.uniform() < 0.3]
    failed = failed or [int(dice.uniform(count))]
    sent = [number for number in range(count) if number not in failed or dice.uniform() < 0.5]
    for _ in failed:
        dice.note("partial", on)
    answer = send(batch.only(params, [entries[number] for number in sent])) if sent else {}
    return batch.fail(params, answer, sent, failed)


def duplicate(params: dict[str, Any], answer: Any, send: Send, dice: Dice, on: str) -> None:
    """Send once more some of the messages that were sent."""
    sent = {entry["Id"] for entry in answer.get("Successful", [])}
    twice = [
        entry for entry in params["Entries"] if entry["Id"] in sent and dice.falls("duplicate")
    ]
    if twice:
        send({**params, "Entries": twice})
        for _ in twice:
            dice.note("duplicate", on)


# SQS: entries by Id


def _sqs_entries(params: dict[str, Any]) -> list[Any]:
    return list(params["Entries"])


def _sqs_only(params: dict[str, Any], entries: list[Any]) -> dict[str, Any]:
    return {**params, "Entries": entries}


def _sqs_fail(
    params: dict[str, Any], answer: Any, _sent: Sequence[int], failed: Sequence[int]
) -> Any:
    ids = {params["Entries"][number]["Id"] for number in failed}
    successful = [entry for entry in answer.get("Successful", []) if entry["Id"] not in ids]
    refusals = [entry for entry in answer.get("Failed", []) if entry["Id"] not in ids]
    said = {"SenderFault": False, "Code": "InternalError", "Message": "FAULTS"}
    refusals += [{"Id": entry_id, **said} for entry_id in sorted(ids)]
    return {**answer, "Successful": successful, "Failed": refusals}


# DynamoDB: one table a batch, as the product sends them


def _table(params: dict[str, Any]) -> str:
    (table,) = params["RequestItems"]
    return str(table)


def _write_entries(params: dict[str, Any]) -> list[Any]:
    return list(params["RequestItems"][_table(params)])


def _write_only(params: dict[str, Any], entries: list[Any]) -> dict[str, Any]:
    return {**params, "RequestItems": {_table(params): entries}}


def _write_fail(
    params: dict[str, Any], answer: Any, _sent: Sequence[int], failed: Sequence[int]
) -> Any:
    entries, table = _write_entries(params), _table(params)
    left = list(answer.get("UnprocessedItems", {}).get(table, []))
    left += [entries[number] for number in failed if entries[number] not in left]
    return {**answer, "UnprocessedItems": {table: left}}


def _get_entries(params: dict[str, Any]) -> list[Any]:
    return list(params["RequestItems"][_table(params)]["Keys"])


def _get_only(params: dict[str, Any], entries: list[Any]) -> dict[str, Any]:
    table = _table(params)
    return {**params, "RequestItems": {table: {**params["RequestItems"][table], "Keys": entries}}}


def _get_fail(
    params: dict[str, Any], answer: Any, _sent: Sequence[int], failed: Sequence[int]
) -> Any:
    """Leave keys unprocessed; an item that was read all the same is not answered."""
    entries, table = _get_entries(params), _table(params)
    keys = [entries[number] for number in failed]
    items = [
        item
        for item in answer.get("Responses", {}).get(table, [])
        if {name: item[name] for name in entries[0]} not in keys
    ]
    unprocessed = {table: {**params["RequestItems"][table], "Keys": keys}}
    return {**answer, "Responses": {table: items}, "UnprocessedKeys": unprocessed}


def _statements(params: dict[str, Any]) -> list[Any]:
    return list(params["Statements"])


def _statements_only(params: dict[str, Any], entries: list[Any]) -> dict[str, Any]:
    return {**params, "Statements": entries}


def _statements_fail(
    _params: dict[str, Any], answer: Any, sent: Sequence[int], failed: Sequence[int]
) -> Any:
    """Answer by position: throttled where nothing was done, an internal error where it was."""
    responses = dict(zip(sent, answer.get("Responses", []), strict=True))
    for number in failed:
        code = "InternalServerError" if number in responses else "ThrottlingError"
        responses[number] = {"Error": {"Code": code, "Message": "FAULTS"}}
    return {**answer, "Responses": [responses[number] for number in sorted(responses)]}


_SQS = Batch(_sqs_entries, _sqs_only, _sqs_fail)
BATCHES: Mapping[str, Batch] = {
    "sqs.SendMessageBatch": _SQS,
    "sqs.DeleteMessageBatch": _SQS,
    "sqs.ChangeMessageVisibilityBatch": _SQS,
    "dynamodb.BatchWriteItem": Batch(_write_entries, _write_only, _write_fail),
    "dynamodb.BatchGetItem": Batch(_get_entries, _get_only, _get_fail),
    "dynamodb.BatchExecuteStatement": Batch(_statements, _statements_only, _statements_fail),
}
