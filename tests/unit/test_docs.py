"""What the docs draw from the code is current."""

from __future__ import annotations

import re
from pathlib import Path

from local.states_page import PAGE, page
from orchestrator.service.audit_kinds import KINDS


def test_the_states_page_is_drawn_from_the_table() -> None:
    assert PAGE.read_text() == page(), "run `make docs`"


def test_the_audit_page_lists_every_kind_with_its_meaning_and_no_other() -> None:
    text = (Path(__file__).parents[2] / "docs" / "audit.md").read_text("utf-8")
    listed = dict(re.findall(r"^\| `(\w+)` \| (.+) \|$", text, re.MULTILINE))
    verdicts = {"clean", "in_progress", "violated"}
    assert {kind: text for kind, text in listed.items() if kind not in verdicts} == {
        kind: explanation for kind, (_, explanation) in KINDS.items()
    }
