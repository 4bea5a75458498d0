"""`max_running` on the deployed application: how many handlers there were at once."""

from __future__ import annotations

from itertools import accumulate
from pathlib import Path

import pytest

from tests.e2e.conftest import Deployed

pytestmark = pytest.mark.stack

CAP = 3


def test_no_more_handlers_than_the_cap_run_at_once_and_so_many_do(
    deployed: Deployed, tmp_path: Path
) -> None:
    """Two workers have more slots than that, and every fourth task is tried twice."""
    job_id = deployed.submit(
        "e2e.witness",
        {"count": 24},
        parameters=str(tmp_path),
        max_running=CAP,
        retry={"initial_seconds": 0.2, "max_seconds": 1},
    )
    job = deployed.finish(job_id)
    assert (job["state"], job["counts"]["succeeded"]) == ("SUCCEEDED", 24)
    marks = sorted(path.name for path in tmp_path.iterdir())
    assert len(marks) == 2 * (24 + 6)
    at_once = list(accumulate(1 if "-begin-" in mark else -1 for mark in marks))
    assert max(at_once) == CAP
