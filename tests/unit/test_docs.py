"""What the docs draw from the code is current."""

from __future__ import annotations

from local.states_page import PAGE, page


def test_the_states_page_is_drawn_from_the_table() -> None:
    assert PAGE.read_text() == page(), "run `make docs`"
