"""Batches leave nothing behind: what DynamoDB did not do is sent again, alone, with pauses, bounded."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from orchestrator.store import requests
from orchestrator.store.models import TaskItem

type Answer = Callable[[dict[str, Any]], dict[str, Any]]
TABLE = "tasks"


class Dispatch:
    """Answers requests by a function, and keeps them and the pauses between."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.sent: list[tuple[str, dict[str, Any]]] = []
        self.pauses: list[float] = []

    def __call__(self, model: Any, operation: str, request: dict[str, Any]) -> dict[str, Any]:
        self.sent.append((operation, request))
        return self.answer(request)


@pytest.fixture
def stub(monkeypatch: pytest.MonkeyPatch) -> Callable[[Answer], Dispatch]:
    """Put a function in DynamoDB's place."""

    def put(answer: Answer) -> Dispatch:
        dispatch = Dispatch(answer)
        monkeypatch.setattr(requests, "dispatch", dispatch)
        monkeypatch.setattr("orchestrator.store.requests.time.sleep", dispatch.pauses.append)
        return dispatch

    return put


@pytest.fixture
def model() -> type[TaskItem]:
    """Return a model that has a table's name and needs no connection."""

    class Bound(TaskItem):
        class Meta:
            table_name = TABLE

    return Bound


def statements(count: int) -> list[dict[str, Any]]:
    return [{"Statement": str(number)} for number in range(count)]


def answering(codes: dict[str, list[str]]) -> Answer:
    """Answer each statement by the errors left for it, then without one."""

    def answer(request: dict[str, Any]) -> dict[str, Any]:
        errors = [codes.get(part["Statement"], []) for part in request["Statements"]]
        return {
            "Responses": [
                {"Error": {"Code": left.pop(0), "Message": "m", "Item": {"pk": {"S": "x"}}}}
                if left
                else {"TableName": TABLE}
                for left in errors
            ]
        }

    return answer


Stub = Callable[[Answer], Dispatch]


def names_sent(dispatch: Dispatch) -> list[list[str]]:
    return [[part["Statement"] for part in sent["Statements"]] for _, sent in dispatch.sent]


def test_statements_go_by_25_and_answer_in_order(stub: Stub, model: type[TaskItem]) -> None:
    dispatch = stub(answering({"3": ["DuplicateItem"], "55": ["ConditionalCheckFailed"]}))
    answers = requests.execute(model, statements(60))
    assert [len(batch) for batch in names_sent(dispatch)] == [25, 25, 10]
    refused = {number: answer for number, answer in enumerate(answers) if answer[0] is not None}
    item = {"pk": {"S": "x"}}
    assert refused == {3: ("DuplicateItem", item), 55: ("ConditionalCheckFailed", item)}
    assert dispatch.pauses == []


@pytest.mark.parametrize("code", ["ThrottlingError", "InternalServerError", "TransactionConflict"])
def test_a_passing_error_of_a_statement_is_tried_again_alone(
    stub: Stub, model: type[TaskItem], code: str
) -> None:
    dispatch = stub(answering({"1": [code, code, "DuplicateItem"], "2": [code]}))
    answers = requests.execute(model, statements(4))
    assert names_sent(dispatch) == [["0", "1", "2", "3"], ["1", "2"], ["1"]]
    assert [error for error, _ in answers] == [None, "DuplicateItem", None, None]
    assert len(dispatch.pauses) == 2


def test_a_statement_that_is_always_throttled_raises(stub: Stub, model: type[TaskItem]) -> None:
    dispatch = stub(answering({"0": ["ThrottlingError"] * 100}))
    with pytest.raises(RuntimeError, match="1 of 2"):
        requests.execute(model, statements(2))
    assert len(dispatch.sent) == len(dispatch.pauses) + 1 < 20
    assert max(dispatch.pauses) <= 2


def test_another_error_of_a_statement_raises_at_once(stub: Stub, model: type[TaskItem]) -> None:
    dispatch = stub(answering({"1": ["AccessDenied"]}))
    with pytest.raises(RuntimeError, match="AccessDenied"):
        requests.execute(model, statements(2))
    assert len(dispatch.sent) == 1


def puts(count: int) -> list[dict[str, Any]]:
    return [requests.delete_request("p", str(number)) for number in range(count)]


def test_unprocessed_writes_alone_are_sent_again(stub: Stub, model: type[TaskItem]) -> None:
    left = [puts(30)[7:9], [], []]
    dispatch = stub(
        lambda _: {"UnprocessedItems": {TABLE: items} if (items := left.pop(0)) else {}}
    )
    requests.batch_write(model, puts(30))
    sent: list[Sequence[Any]] = [request["RequestItems"][TABLE] for _, request in dispatch.sent]
    assert sent == [puts(25), puts(30)[7:9], puts(30)[25:]]
    assert len(dispatch.pauses) == 1


def test_unprocessed_keys_alone_are_read_again(stub: Stub, model: type[TaskItem]) -> None:
    def answer(request: dict[str, Any]) -> dict[str, Any]:
        wanted = request["RequestItems"][TABLE]
        assert wanted["ConsistentRead"] is True
        done, left = wanted["Keys"][:60], wanted["Keys"][60:]
        unprocessed = {TABLE: {"Keys": left}} if left else {}
        return {"Responses": {TABLE: done}, "UnprocessedKeys": unprocessed}

    dispatch = stub(answer)
    keys = [("p", str(number)) for number in range(150)]
    found = requests.batch_get(model, [*keys, *keys])
    assert sorted(item["sk"]["S"] for item in found) == sorted(sk for _, sk in keys)
    sizes = [len(request["RequestItems"][TABLE]["Keys"]) for _, request in dispatch.sent]
    assert sizes == [100, 40, 50]


def test_writes_that_are_never_taken_raise(stub: Stub, model: type[TaskItem]) -> None:
    dispatch = stub(lambda request: {"UnprocessedItems": request["RequestItems"]})
    with pytest.raises(RuntimeError, match="3 of 3"):
        requests.batch_write(model, puts(3))
    assert len(dispatch.sent) < 20
