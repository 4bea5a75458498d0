"""How the site is built, stored and found."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from local import deploy, node, site
from local.scope import Scope


@pytest.mark.parametrize(
    ("printed", "version"),
    [("v20.19.2\n", (20, 19)), ("v22.0.0-nightly", (22, 0)), ("node", None), ("", None)],
)
def test_the_version_of_node_is_read(printed: str, version: tuple[int, int] | None) -> None:
    assert node.version(printed) == version


def test_without_node_all_else_goes_on_and_it_is_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with Scope() as scope:
        assert site.build_if_possible(scope) is None
    assert "The site is left out: Node.js 20.19 or newer" in capsys.readouterr().out


def test_an_old_node_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("node", "npm"):
        program = tmp_path / name
        program.write_text("#!/bin/sh\necho v18.20.1\n")
        program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(node.NodeMissing, match="v18"):
        node.check()


def sources(folder: Path) -> Path:
    (folder / "src").mkdir()
    (folder / "src" / "main.tsx").write_text("one")
    (folder / "index.html").write_text("page")
    return folder


def test_a_change_of_any_source_is_another_build(tmp_path: Path) -> None:
    before = site.stamp(sources(tmp_path))
    (tmp_path / "node_modules").mkdir()
    (tmp_path / "node_modules" / "x.js").write_text("not ours")
    assert site.stamp(tmp_path) == before
    (tmp_path / "src" / "main.tsx").write_text("two")
    assert site.stamp(tmp_path) != before


def test_what_has_a_hash_in_its_name_is_kept_for_ever_and_the_page_is_asked_for(
    tmp_path: Path,
) -> None:
    file = tmp_path / "file"
    file.write_text("content")
    page = site.stored(file, "index.html")
    script = site.stored(file, "assets/index-a1.js")
    font = site.stored(file, "assets/inter-b2.woff2")
    assert page["CacheControl"] == "no-cache"
    assert "immutable" in str(script["CacheControl"])
    assert (page["ContentType"], page["ContentEncoding"]) == ("text/html; charset=utf-8", "gzip")
    assert gzip.decompress(bytes(page["Body"])) == b"content"  # type: ignore[call-overload]
    assert "ContentEncoding" not in font


def test_the_site_is_at_its_distributions_name_under_localhost() -> None:
    found = site.address("http://127.0.0.1:4600", "d123.cloudfront.net")
    assert found == "http://d123.cloudfront.localhost:4600/"


def test_the_distribution_finds_the_api_at_the_emulators_port() -> None:
    assert deploy.parameters("http://127.0.0.1:4600", site=True) == [
        "--parameter-overrides", "Environment=local", "Site=true", "EmulatorPort=4600",
    ]  # fmt: skip
    assert "Site=false" in deploy.parameters("http://localhost", site=False)
