"""One job under every crash, stall, repetition and order of messages: nothing lost, nothing counted twice.

Quick by default; `pytest tests/property/protocol --hypothesis-profile=deep` goes further.
"""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.property.protocol.machine import Protocol

DEEP = settings.get_current_profile_name() == "deep"
QUICK = settings(
    derandomize=True,
    max_examples=120,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)


@pytest.mark.timeout(0 if DEEP else 300)
def test_a_job_ends_right_whatever_happens_on_its_way() -> None:
    run_state_machine_as_test(Protocol, settings=settings() if DEEP else QUICK)
