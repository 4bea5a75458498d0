"""docs/retries.md: its examples are accepted, its numbers are the code's, its kinds are all there are."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from orchestrator.model.states import Outcome
from orchestrator.policy import (
    ERROR_TYPE_OF,
    INTERRUPTIONS_MAX,
    MAX_TIMEOUT_SECONDS,
    WORKER_LOSSES_MAX,
    Retry,
    check_rules,
)
from orchestrator.service.retries import DELAY_MAX_SECONDS

PAGE = (Path(__file__).parents[2] / "docs" / "retries.md").read_text()
DEFAULT = Retry()


def test_its_rules_are_accepted() -> None:
    (example,) = re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)
    assert check_rules(Retry.model_validate_json(example)).rules
    inline = re.findall(r"`(\{[^`]*\})`", PAGE)
    assert inline
    for rule in inline:
        check_rules(Retry.model_validate_json(json.dumps({"rules": [json.loads(rule)]})))


@pytest.mark.parametrize(
    "words",
    [
        f"`retry.max_attempts`, 1 to 100 | {DEFAULT.max_attempts} |",
        f"`retry.max_timeouts`, 1 to 100 | {DEFAULT.max_timeouts} |",
        f"`retry.max_worker_losses`, 1 to {WORKER_LOSSES_MAX} | {DEFAULT.max_worker_losses} |",
        f"{INTERRUPTIONS_MAX}, or a rule's | {INTERRUPTIONS_MAX} |",
        f"`initial_seconds` is {DEFAULT.initial_seconds:g} (up to 3,600)",
        f"`factor` {DEFAULT.factor:g} (1 to 10)",
        f"`max_seconds` {DEFAULT.max_seconds:g} (up to 43,200)",
        f"up to {DELAY_MAX_SECONDS} seconds is the message's delay",
        f"at most {MAX_TIMEOUT_SECONDS:,}, 11 hours",
    ],
)
def test_its_numbers_are_the_code_s(words: str) -> None:
    assert words in " ".join(PAGE.split())


def test_every_outcome_and_every_type_that_the_control_plane_gives_is_named() -> None:
    named = {*Outcome, *ERROR_TYPE_OF.values(), "DeadLetter"}
    named -= {Outcome.SUCCEEDED, Outcome.CANCELLED}  # Of these nothing is tried again.
    assert {name for name in named if f"`{name}`" not in PAGE} == set()
