"""docs/guarantees.md names tests that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
PAGE = TESTS.parent / "docs" / "guarantees.md"
NAMED = sorted(
    set(re.findall(r"`((?:unit|e2e|property|contract)/[\w/]+\.py(?:::\w+)?)`", PAGE.read_text()))
)


def test_every_row_names_a_test() -> None:
    rows = [line for line in PAGE.read_text().splitlines() if line.startswith("| ")]
    promises = [row for row in rows if not row.startswith(("| promise", "| rule"))]
    assert promises
    assert [row for row in promises if ".py" not in row.rsplit("|", 2)[1]] == []


@pytest.mark.parametrize("named", NAMED)
def test_the_test_is_there(named: str) -> None:
    path, _, function = named.partition("::")
    text = (TESTS / path).read_text(encoding="utf-8")
    assert f"def {function or 'test_'}" in text
