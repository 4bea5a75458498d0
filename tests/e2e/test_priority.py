"""Priority on the deployed application: a tenant's large low job lets a smaller high one go first."""

from __future__ import annotations

import pytest

from tests.e2e.conftest import Deployed

pytestmark = pytest.mark.stack

CAP = 20
"""A small window, so that few tasks are enough for a job that is sent in many parts."""


def test_a_higher_job_ends_while_a_lower_one_waits_and_then_goes_on(deployed: Deployed) -> None:
    low = deployed.submit("e2e.index", {"count": 600}, priority=1, max_running=CAP)
    deployed.until(lambda: deployed.job(low)["counts"]["succeeded"])
    high = deployed.submit("e2e.index", {"count": 200}, priority=8, max_running=CAP)
    ended = deployed.finish(high)
    assert (ended["state"], ended["priority"]) == ("SUCCEEDED", 8)
    waiting = deployed.job(low)
    assert (waiting["state"], waiting["priority"]) == ("PROCESSING", 1)
    assert waiting["counts"]["succeeded"] < 600 - CAP, "it had nothing left to send"
    assert deployed.finish(low)["state"] == "SUCCEEDED"
    held = [line for line in deployed.logs() if line.get("message") == "job.held"]
    assert {(line["job_id"], line["behind"]) for line in held} == {(low, high)}
