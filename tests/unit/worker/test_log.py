"""Log lines: one JSON object each, bound fields, compact ranges."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.worker.conftest import Lines
from worker.log import Log, ranges


def test_bound_fields_are_in_every_line_and_low_levels_are_left_out(lines: Lines) -> None:
    log = Log("WARNING", lines.write).bind(worker_id="w").bind(job_id="j")
    log.info("quiet")
    log.error("loud", object=object)
    (line,) = lines.events
    assert (line["event"], line["level"], line["worker_id"], line["job_id"]) == (
        "loud",
        "ERROR",
        "w",
        "j",
    )


@pytest.mark.parametrize(
    ("indexes", "text"), [([], ""), ([3], "3"), ([0, 1, 2], "0-2"), ([0, 2, 3, 7], "0,2-3,7")]
)
def test_ranges(indexes: list[int], text: str) -> None:
    assert ranges(indexes) == text


@given(st.sets(st.integers(0, 60)))
def test_ranges_name_every_index_once(indexes: set[int]) -> None:
    named = list[int]()
    for part in ranges(sorted(indexes)).split(",") if indexes else ():
        first, _, last = part.partition("-")
        named += range(int(first), int(last or first) + 1)
    assert named == sorted(indexes)
