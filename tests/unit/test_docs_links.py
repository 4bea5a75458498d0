"""What README and docs name exists: links, headings, make targets, files, routes."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
OUTSIDE_THE_DOCUMENT = {"/api/v1/docs", "/api/v1/openapi.json"}
"""Routes that serve the document, and so are not in it."""
FOLDERS = "docs|events|frontend|functions|k8s|layers|local|statemachine|tests|worker"

_LINK = re.compile(r"\]\((?!https?:)([^)\s]+)\)")
_FENCE = re.compile(r"^( *)```[^\n]*\n(.*?)^\1```", re.MULTILINE | re.DOTALL)
_INDENTED = re.compile(r"^    .+$", re.MULTILINE)
_INLINE = re.compile(r"`([^`\n]+)`")
_MAKE = re.compile(r"\bmake ([a-z][a-z0-9-]*)")
_FILE = re.compile(rf"(?:(?:{FOLDERS})/|[A-Za-z][\w-]*\.(?:yaml|toml)$)[\w./-]*")
_PATH = re.compile(r"(?:\$API|\$API_URL/api/v1|[/ ]api/v1)((?:/[\w.{}$-]+)+)")
_ROUTE = re.compile(r"(GET|POST|DELETE) (/api/v1/[\w{}/.-]+)")

every_page = pytest.mark.parametrize(
    "page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix()
)


def documented() -> dict[str, set[str]]:
    """Return the methods of each path in docs/openapi.json."""
    paths = json.loads((ROOT / "docs" / "openapi.json").read_text("utf-8"))["paths"]
    return {path: {method.upper() for method in methods} for path, methods in paths.items()}


def code_of(page: Path) -> Iterator[str]:
    """Yield what a page shows as code: blocks and what stands in backticks."""
    text = page.read_text("utf-8")
    yield from (match[2] for match in _FENCE.finditer(text))
    prose = _FENCE.sub("", text)
    yield from _INDENTED.findall(prose)
    yield from _INLINE.findall(prose)


def anchors_of(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    prose = _FENCE.sub("", page.read_text("utf-8"))
    headings = re.findall(r"^#+ (.+)$", prose, re.MULTILINE)
    return {
        re.sub(r"[^\w -]", "", heading).strip().lower().replace(" ", "-") for heading in headings
    }


def is_route(path: str, known: set[str]) -> bool:
    """Tell whether a path, of a template or of an example, is one of the known ones."""
    parts = [re.sub(r"^(\{\w+\}|\$\w+|[0-9A-Z]{26}.*)$", "*", part) for part in path.split("/")]
    return "/".join(parts) in {re.sub(r"\{\w+\}", "*", route) for route in known}


@every_page
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    for link in _LINK.findall(page.read_text("utf-8")):
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        assert target.exists(), link
        assert not anchor or anchor in anchors_of(target), link


@every_page
def test_every_make_target_exists(page: Path) -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    targets = set(re.findall(r"^([a-z0-9-]+):", makefile, re.MULTILINE))
    assert {target for code in code_of(page) for target in _MAKE.findall(code)} <= targets


@every_page
def test_every_file_named_in_backticks_exists(page: Path) -> None:
    prose = _FENCE.sub("", page.read_text("utf-8"))
    named = {path for text in _INLINE.findall(prose) if (path := _FILE.fullmatch(text))}
    assert not [path[0] for path in named if not (ROOT / path[0]).exists()]


@every_page
def test_every_route_of_an_example_exists(page: Path) -> None:
    known = documented().keys() | OUTSIDE_THE_DOCUMENT
    named = {f"/api/v1{path}" for code in code_of(page) for path in _PATH.findall(code)}
    assert not [path for path in named if not is_route(path, set(known))]


def test_the_page_of_the_api_names_every_route_and_no_other() -> None:
    named = set(_ROUTE.findall((ROOT / "docs" / "api.md").read_text("utf-8")))
    known = {(method, path) for path, methods in documented().items() for method in methods}
    assert {route for route in named if route[1] not in OUTSIDE_THE_DOCUMENT} == known


def test_the_checks_see_what_is_wrong(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        '```sh\ncurl "$API/jobs/$JOB/nothing"\nmake nothing\n```\n`docs/none.md`\n', "utf-8"
    )
    block, inline = code_of(page)
    assert _MAKE.findall(block) == ["nothing"]
    assert _PATH.findall(block) == ["/jobs/$JOB/nothing"]
    assert _FILE.fullmatch(inline)
    assert not is_route("/api/v1/jobs/$JOB/nothing", set(documented()))
    assert is_route("/api/v1/jobs/$JOB/results", set(documented()))
