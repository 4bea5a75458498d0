"""The recorded events and sample specs under events/: whole, valid and answered."""

from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path

import pytest

from orchestrator.policy import Policy
from orchestrator.spec import SubmitJobIn
from tests.fakes.world import World

from .conftest import EVENTS, Context, load

FUNCTIONS = sorted(path.parent.name for path in (EVENTS.parent / "functions").glob("*/app.py"))
REST = [
    path.relative_to(EVENTS).with_suffix("").as_posix()
    for function in ("jobs_api", "work_api")
    for path in sorted((EVENTS / function).glob("*.json"))
]


@pytest.mark.parametrize(
    "path", sorted((EVENTS / "specs").glob("*.json")), ids=lambda path: path.stem
)
def test_a_sample_spec_is_a_valid_submission(path: Path) -> None:
    submission = SubmitJobIn.model_validate_json(path.read_bytes())
    assert Policy.load(submission.policy().model_dump_json()) == submission.policy()


@pytest.mark.parametrize("function", FUNCTIONS)
def test_every_function_has_a_handler_and_an_event(function: str) -> None:
    assert callable(import_module(f"{function}.app").handler)
    assert list((EVENTS / function).glob("*.json"))


@pytest.mark.parametrize("name", REST)
def test_every_recorded_request_gets_an_answer_that_its_route_may_give(
    world: World, context: Context, name: str
) -> None:
    answer = import_module(f"{name.split('/', maxsplit=1)[0]}.app").handler(load(name), context)
    assert answer["statusCode"] in (200, 201, 204, 404)
    assert answer["isBase64Encoded"] is False
    if answer["statusCode"] == 404:
        assert json.loads(answer["body"])["code"] == "not_found"
