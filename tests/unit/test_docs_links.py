"""What the docs name exists: links, make targets, routes."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
_LINK = re.compile(r"\]\((?!https?:|#)([^)#\s]+)")
_TARGET = re.compile(r"make ([a-z][a-z-]+)\b")
_ROUTE = re.compile(r"(?:GET|POST|DELETE) (/api/v1/[a-z_{}/.]+)")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    for link in _LINK.findall(page.read_text()):
        assert (page.parent / link).exists(), link


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_make_target_exists(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    code = re.findall(r"`([^`]+)`|^    (.+)$", page.read_text(), re.MULTILINE)
    for inline, block in code:
        for target in _TARGET.findall(inline or block):
            assert target in targets, target


def test_every_route_named_exists_and_all_are_named() -> None:
    known = set(json.loads((ROOT / "docs" / "openapi.json").read_text())["paths"])
    named = set(_ROUTE.findall((ROOT / "docs" / "api.md").read_text()))
    named |= {"/api/v1/openapi.json", "/api/v1/docs"} & known
    assert named - {"/api/v1/docs", "/api/v1/openapi.json"} == known - {
        "/api/v1/docs",
        "/api/v1/openapi.json",
    }
