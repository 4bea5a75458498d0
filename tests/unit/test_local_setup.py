"""Environments are made from locks, once; pip's settings reach uv; Python 3.13 is really run."""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path

import pytest

from local import artefacts, bootstrap, interpreter, package_index
from local.paths import ROOT

OLD_PYTHON_MODULES = [
    "__init__",
    "bootstrap",
    "errors",
    "interpreter",
    "interrupt",
    "package_index",
    "paths",
    "processes",
    "scope",
]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with one lock file and one finished environment."""
    monkeypatch.setattr(bootstrap, "_REQUIREMENTS", tmp_path)
    monkeypatch.setattr(bootstrap, "venv_bin", lambda name: tmp_path / "venvs" / name / "bin")
    (tmp_path / "some.txt").write_text("a==1\n")
    python = tmp_path / "venvs" / "some" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.touch()
    bootstrap._finish("some")
    return tmp_path


def test_a_finished_environment_is_ready(project: Path) -> None:
    assert bootstrap.is_ready("some")


def test_an_interrupted_environment_is_not_ready(project: Path) -> None:
    (project / "venvs" / "some" / "stamp").unlink()
    assert not bootstrap.is_ready("some")


def test_an_environment_of_an_older_lock_is_not_ready(project: Path) -> None:
    (project / "some.txt").write_text("a==2\n")
    assert not bootstrap.is_ready("some")


def test_an_environment_whose_python_is_gone_is_not_ready(project: Path) -> None:
    (project / "venvs" / "some" / "bin" / "python").unlink()
    assert not bootstrap.is_ready("some")


def test_a_moved_environment_is_not_ready() -> None:
    assert bootstrap.stamp_of(b"lock", Path("/a")) != bootstrap.stamp_of(b"lock", Path("/b"))


def test_the_set_up_does_nothing_when_all_is_ready(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bootstrap, "_make_missing", lambda names: pytest.fail(str(names)))
    bootstrap.ensure(["some"])


@pytest.mark.parametrize("name", OLD_PYTHON_MODULES)
def test_what_finds_python_3_13_runs_without_it(name: str) -> None:
    source = (ROOT / "local" / f"{name}.py").read_text()
    tree = ast.parse(source, feature_version=(3, 8))
    imported = {
        node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)
    } | {
        alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.Import)
        for alias in node.names
    }
    ours = {module for module in imported if module.split(".")[0] == "local"}
    assert all(module.split(".")[0] in sys.stdlib_module_names for module in imported - ours)
    assert all(module.removeprefix("local.") in {*OLD_PYTHON_MODULES, "local"} for module in ours)
    assert "slots=True" not in source
    assert "removeprefix" not in source


def test_a_shim_that_fails_is_not_python(tmp_path: Path) -> None:
    shim = tmp_path / "python3.13"
    shim.write_text("#!/bin/sh\nexit 127\n")
    shim.chmod(0o755)
    assert not interpreter.runs(shim)
    assert interpreter.runs(Path(sys.executable))


def test_pyenv_versions_are_tried_newest_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for version in ("3.13.2", "3.13.10", "3.12.9"):
        (tmp_path / "versions" / version / "bin").mkdir(parents=True)
        (tmp_path / "versions" / version / "bin" / "python3.13").touch()
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path))
    monkeypatch.setenv("PATH", "")
    found = [path.parent.parent.name for path in interpreter.candidates()][1:]
    assert found == ["3.13.10", "3.13.2"]


def test_the_index_of_pip_becomes_the_index_of_uv() -> None:
    settings = package_index.from_pip(
        [
            "global.index-url='https://one.example/simple'",
            "global.extra-index-url='\\nhttps://two.example\\nhttps://three.example'",
            ":env:.index-url='https://wins.example/simple'",
            "global.timeout='60'",
            "not a setting",
        ]
    )
    assert settings == {
        "UV_DEFAULT_INDEX": "https://wins.example/simple",
        "UV_INDEX": "https://two.example https://three.example",
    }


def test_each_lock_carries_hashes_and_no_address() -> None:
    locks = [
        *(ROOT / "local" / "requirements").glob("*.txt"),
        ROOT / "worker" / "requirements.txt",
        ROOT / "layers" / "core" / "requirements.txt",
    ]
    for lock in locks:
        text = lock.read_text()
        pinned = re.findall(r"^[A-Za-z0-9][^\n]*==", text, re.MULTILINE)
        assert pinned, lock
        assert len(re.findall(r"\\\n    --hash=sha256:", text)) >= len(pinned), lock
        assert "://" not in text, lock


def test_bytecode_lies_beside_each_module_and_is_made_once(tmp_path: Path) -> None:
    code, store = tmp_path / "code", tmp_path / "store"
    (code / "package").mkdir(parents=True)
    (code / "package" / "good.py").write_text("X = 1\n")
    (code / "package" / "same.py").write_text("X = 1\n")
    (code / "package" / "bad.py").write_text("def\n")
    artefacts.compile_tree(code, store=store)
    artefacts.compile_tree(code, store=store)
    cached = code / "package" / "__pycache__"
    names = {path.name.split(".")[0] for path in cached.iterdir()}
    assert names == {"good", "same"}
    assert len(list(store.iterdir())) == 1


def test_functions_keep_the_models_of_the_services_they_may_call(tmp_path: Path) -> None:
    for name in ("dynamodb", "ec2"):
        (tmp_path / "layer" / "botocore" / "data" / name).mkdir(parents=True)
    endpoints = tmp_path / "layer" / "botocore" / "data" / "endpoints.json"
    endpoints.touch()
    artefacts.remove_models(tmp_path)
    data = tmp_path / "layer" / "botocore" / "data"
    assert {path.name for path in data.iterdir()} == {"dynamodb", "endpoints.json"}


def test_each_service_that_the_template_allows_keeps_its_model() -> None:
    template = (ROOT / "template.yaml").read_text()
    prefixes = set(re.findall(r"\b([a-z]+):[A-Z][A-Za-z]+\b", template))
    services = {"states": "stepfunctions"}
    called = {services.get(prefix, prefix) for prefix in prefixes} - {"aws", "execute"}
    known = {name for name in called if name.isalpha()}
    assert known - artefacts.SERVICES <= {"api", "xray", "cloudwatch", "kms"}
