"""echo and sleep."""

from __future__ import annotations

import pytest

from worker import Cancelled
from worker.api import Json
from worker.invoke import InvalidInput
from worker.testing import run_handler


@pytest.mark.parametrize("value", [None, 0, "é", [1, [2.5]], {"a": {"b": None}}])
def test_echo_returns_its_input(value: Json) -> None:
    assert run_handler("echo", value) == value


def test_sleep_tells_its_progress_and_how_long_it_slept() -> None:
    seen: list[float] = []
    result = run_handler("sleep", {"seconds": 0.02, "jitter": 0.5}, on_progress=seen.append)
    assert 0.02 <= result["slept_seconds"] <= 0.03
    assert seen == sorted(seen)
    assert run_handler("sleep", {"seconds": 0}) == {"slept_seconds": 0}


def test_sleep_ends_when_the_job_is_stopped() -> None:
    with pytest.raises(Cancelled):
        run_handler("sleep", {"seconds": 3600}, cancelled=True)


@pytest.mark.parametrize(
    ("given", "field"),
    [({"seconds": -1}, "seconds"), ({"seconds": 3601}, "seconds"), ({"seconds": 1, "x": 1}, "x")],
)
def test_sleep_refuses_what_it_cannot_do(given: Json, field: str) -> None:
    with pytest.raises(InvalidInput, match=f"input.{field}"):
        run_handler("sleep", given)
