"""A job without parameters."""

from __future__ import annotations

from pydantic import BaseModel

from worker import Context, Task, handler
from worker.testing import run_handler


class Rounds(BaseModel):
    """Parameters with a default."""

    rounds: int = 3


def test_a_declared_model_gets_its_defaults_where_the_job_has_no_parameters() -> None:
    @handler("tests.rounds", parameters=Rounds)
    def rounds(task: Task[object, Rounds], context: Context) -> int:
        return task.parameters.rounds

    assert run_handler(rounds, None) == 3
    assert run_handler(rounds, None, parameters={"rounds": 5}) == 5


def test_a_handler_without_a_model_sees_that_there_are_none() -> None:
    @handler("tests.plain")
    def plain(task: Task, context: Context) -> bool:
        return task.parameters is None

    assert run_handler(plain, None) is True
