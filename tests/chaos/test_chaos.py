"""A small chaos run: 500 tasks, one seed. `make chaos` is the large one."""

from __future__ import annotations

import pytest

from local.faults.knobs import KINDS
from tests.chaos import run
from tests.chaos.report import as_json, as_markdown, faults_by_kind

pytestmark = [pytest.mark.stack, pytest.mark.timeout(900)]

SEED, TASKS = 7, 500
_RATES = {
    **run.RATES,
    "kill_worker": 0.4,
    "stop_worker": 0.05,
    "duplicate": 0.1,
    "lost_reply": 0.1,
    "stop_machine": 0.3,
}
"""Higher where a fault has few occasions: the run is short, on a fast machine above all."""
_RARE = {"stop_worker", "delay", "lambda_timeout", "stop_machine"}
"""Of these a short run may have none."""


def test_under_all_faults_at_once_nothing_is_lost_or_counted_twice() -> None:
    outcome = run.run(SEED, TASKS, _RATES)
    page = as_markdown(as_json([outcome], _RATES))
    assert outcome.problems == [], page
    injected = faults_by_kind(outcome)
    assert {kind for kind in KINDS if not injected[kind]} <= _RARE, page
