"""Conditional writes that answer with the item either way, and batches that leave nothing behind."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from botocore.exceptions import ClientError
from pynamodb.expressions.condition import Condition
from pynamodb.expressions.update import Action
from pynamodb.models import Model

from orchestrator.store.codec import RawItem
from orchestrator.store.models import Keyed

WRITE_BATCH = 25
READ_BATCH = 100
_TRIES = 8
_BACKOFF_SECONDS = 0.05
_BACKOFF_MAX_SECONDS = 2.0


def chunks[T](items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """Cut `items` into runs of at most `size`."""
    return (items[start : start + size] for start in range(0, len(items), size))


def until_done[T](items: Sequence[T], attempt: Callable[[Sequence[T]], Sequence[T]]) -> None:
    """Call `attempt` with what is left until it leaves nothing; full jitter between. Raises RuntimeError."""
    left = attempt(items)
    for number in range(_TRIES - 1):
        if not left:
            return
        time.sleep(random.random() * min(_BACKOFF_MAX_SECONDS, _BACKOFF_SECONDS * 2**number))
        left = attempt(left)
    if not left:
        return
    raise RuntimeError(
        f"DynamoDB left {len(left)} of {len(items)} items undone after {_TRIES} tries"
    )


def dispatch(model: type[Model], operation: str, request: dict[str, Any]) -> dict[str, Any]:
    """Send a request through PynamoDB's connection."""
    answer: dict[str, Any] = model._get_connection().connection.dispatch(operation, request)
    return answer


def _conditional(
    model: type[Model], operation: str, request: dict[str, Any]
) -> tuple[bool, RawItem | None]:
    try:
        answer = dispatch(model, operation, request)
    except ClientError as error:
        if error.response["Error"]["Code"] != "ConditionalCheckFailedException":
            raise
        cause = error.__cause__
        answered: Any = cause.response if isinstance(cause, ClientError) else {}
        return False, answered.get("Item")
    attributes: RawItem | None = answer.get("Attributes")
    return True, attributes


def update(
    row: Model, actions: list[Action], condition: Condition | None = None
) -> tuple[bool, RawItem | None]:
    """Update an item; return (True, the new item) or, refused, (False, the item that stands)."""
    request = row.get_update_kwargs_from_instance(
        actions, condition, return_values_on_condition_failure="ALL_OLD"
    )
    return _conditional(type(row), "UpdateItem", {**request, "ReturnValues": "ALL_NEW"})


def put(row: Model, condition: Condition | None = None) -> tuple[bool, RawItem | None]:
    """Put an item; return (True, None) or, refused, (False, the item that stands)."""
    request = row.get_save_kwargs_from_instance(
        condition, return_values_on_condition_failure="ALL_OLD"
    )
    return _conditional(type(row), "PutItem", request)


def delete(row: Model, condition: Condition) -> bool:
    """Delete an item; False where the condition refused it."""
    request = row.get_delete_kwargs_from_instance(condition)
    done, _ = _conditional(type(row), "DeleteItem", request)
    return done


def absent(model: type[Keyed]) -> Condition:
    """Return the condition that there is no such item."""
    condition: Condition = model.pk.does_not_exist()
    return condition


def get_raw(model: type[Model], pk: str, sk: str) -> RawItem | None:
    """Read one item strongly, as DynamoDB sends it: the hot items are decoded by hand (codec)."""
    request = {
        "TableName": model.Meta.table_name,
        "Key": {"pk": {"S": pk}, "sk": {"S": sk}},
        "ConsistentRead": True,
    }
    item: RawItem | None = dispatch(model, "GetItem", request).get("Item")
    return item


def get[M: Model](model: type[M], pk: str, sk: str, *, consistent: bool = True) -> M | None:
    """Read one item."""
    try:
        return model.get(pk, sk, consistent_read=consistent)
    except model.DoesNotExist:
        return None


def batch_get(
    model: type[Model], keys: Sequence[tuple[str, str]], *, consistent: bool = True
) -> list[RawItem]:
    """Read items by 100, unprocessed keys again; absent ones are left out, the order is not kept."""
    table, found = model.Meta.table_name, list[RawItem]()

    def attempt(wanted: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
        request = [{"pk": {"S": pk}, "sk": {"S": sk}} for pk, sk in wanted]
        answer = dispatch(
            model,
            "BatchGetItem",
            {"RequestItems": {table: {"Keys": request, "ConsistentRead": consistent}}},
        )
        found.extend(answer["Responses"].get(table, []))
        left = answer.get("UnprocessedKeys", {}).get(table, {}).get("Keys", [])
        return [(key["pk"]["S"], key["sk"]["S"]) for key in left]

    for chunk in chunks(list(dict.fromkeys(keys)), READ_BATCH):
        until_done(chunk, attempt)
    return found


def batch_write(model: type[Model], requests: Sequence[dict[str, Any]]) -> None:
    """Put and delete items by 25, unprocessed ones again."""
    table = model.Meta.table_name

    def attempt(wanted: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        answer = dispatch(model, "BatchWriteItem", {"RequestItems": {table: list(wanted)}})
        left: list[dict[str, Any]] = answer.get("UnprocessedItems", {}).get(table, [])
        return left

    for chunk in chunks(requests, WRITE_BATCH):
        until_done(chunk, attempt)


def get_together(keys: Sequence[tuple[type[Model], str, str]]) -> dict[tuple[str, str], RawItem]:
    """Read single items of any tables by one request, strongly; not one moment's view of them all."""
    found: dict[tuple[str, str], RawItem] = {}

    def attempt(
        wanted: Sequence[tuple[type[Model], str, str]],
    ) -> list[tuple[type[Model], str, str]]:
        tables: dict[str, Any] = {}
        for model, pk, sk in wanted:
            table = tables.setdefault(model.Meta.table_name, {"Keys": [], "ConsistentRead": True})
            table["Keys"].append({"pk": {"S": pk}, "sk": {"S": sk}})
        answer = dispatch(wanted[0][0], "BatchGetItem", {"RequestItems": tables})
        for items in answer["Responses"].values():
            found.update({(raw["pk"]["S"], raw["sk"]["S"]): raw for raw in items})
        left = {
            (table, key["pk"]["S"], key["sk"]["S"])
            for table, rest in answer.get("UnprocessedKeys", {}).items()
            for key in rest["Keys"]
        }
        return [key for key in wanted if (key[0].Meta.table_name, key[1], key[2]) in left]

    until_done(keys, attempt)
    return found


def query_raw(
    model: type[Model], pk: str, between: tuple[str, str] | None = None
) -> Iterator[RawItem]:
    """Read items of a partition in the order of their sort keys, strongly, page by page.

    `between`: the first and the last sort key, both included; all where it is None.
    """
    request: dict[str, Any] = {
        "TableName": model.Meta.table_name,
        "KeyConditionExpression": "pk = :pk",
        "ExpressionAttributeValues": {":pk": {"S": pk}},
        "ConsistentRead": True,
    }
    if between is not None:
        request["KeyConditionExpression"] += " AND sk BETWEEN :first AND :last"
        request["ExpressionAttributeValues"] |= {
            ":first": {"S": between[0]},
            ":last": {"S": between[1]},
        }
    while True:
        answer = dispatch(model, "Query", request)
        yield from answer["Items"]
        if "LastEvaluatedKey" not in answer:
            return
        request["ExclusiveStartKey"] = answer["LastEvaluatedKey"]


def put_request(row: Model) -> dict[str, Any]:
    """Return the batch's form of a put."""
    return {"PutRequest": {"Item": row.serialize()}}


def delete_request(pk: str, sk: str) -> dict[str, Any]:
    """Return the batch's form of a delete."""
    return {"DeleteRequest": {"Key": {"pk": {"S": pk}, "sk": {"S": sk}}}}


def execute(
    model: type[Model], statements: Sequence[dict[str, Any]]
) -> list[tuple[str | None, RawItem | None]]:
    """Run PartiQL statements by 25; return for each its error code (None: done) and the item it met.

    Throttled and internally failed ones are run again alone. BatchExecuteStatement is not atomic.
    """
    answers: list[tuple[str | None, RawItem | None]] = [(None, None)] * len(statements)

    def attempt(numbers: Sequence[int]) -> list[int]:
        request = {"Statements": [statements[number] for number in numbers]}
        responses = dispatch(model, "BatchExecuteStatement", request)["Responses"]
        again = []
        for number, response in zip(numbers, responses, strict=True):
            error = response.get("Error")
            code = error["Code"] if error else None
            if code in _REFUSALS or code is None:
                answers[number] = (code, error.get("Item") if error else None)
            elif code in _PASSING:
                again.append(number)
            else:
                raise RuntimeError(f"PartiQL: {code}: {error.get('Message')}")
        return again

    for chunk in chunks(range(len(statements)), WRITE_BATCH):
        until_done(chunk, attempt)
    return answers


_REFUSALS = frozenset({"ConditionalCheckFailed", "DuplicateItem"})
_PASSING = frozenset(
    {
        "ThrottlingError",
        "ProvisionedThroughputExceeded",
        "RequestLimitExceeded",
        "InternalServerError",
        "TransactionConflict",
    }
)
