"""The code in docs/handlers.md runs, and says what is so."""

from __future__ import annotations

import importlib.util
import json
import re
import shlex
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from orchestrator.model.wire import RESULT_INLINE_MAX_BYTES
from orchestrator.policy import DEFAULT_TIMEOUT_SECONDS, MAX_TIMEOUT_SECONDS
from orchestrator.spec import SubmitJobIn
from worker import Draining
from worker.api import CHECKPOINT_MAX_BYTES
from worker.invoke import RESULT_MAX_BYTES
from worker.registry import ENTRY_POINTS, declared, load_handlers
from worker.testing import run_handler

PAGE = (Path(__file__).parents[3] / "docs" / "handlers.md").read_text()
BLOCKS = re.findall(r"^```(\w+)(?: file=(\S+))?\n(.*?)^```$", PAGE, re.M | re.S)
FILES = {name: code for _, name, code in BLOCKS if name}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The page's files, its handlers loaded as HANDLERS would; forgotten afterwards."""
    folder = tmp_path_factory.mktemp("page")
    for name, code in FILES.items():
        (folder / name).write_text(code)
    before, path = set(sys.modules), list(sys.path)
    load_handlers([str(folder / name) for name in ("darts.py", "lines.py", "walk.py")])
    yield folder
    sys.path[:] = path
    for name in {"darts", "lines", "walk", "test_darts"} - before:
        sys.modules.pop(name, None)


def module(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


def test_every_block_of_code_is_run() -> None:
    unnamed = {language for language, name, _ in BLOCKS if not name}
    assert unnamed == {"sh"}
    code = {"darts.py", "test_darts.py", "lines.py", "walk.py"}
    assert set(FILES) == code | {"pyproject.toml", "Dockerfile", "profile.json"}


def test_the_handler_of_the_page_is_short() -> None:
    code = FILES["darts.py"].split("@handler")[1]
    assert len(code.splitlines()) <= 20


def test_the_tests_of_the_page_pass(folder: Path) -> None:
    tests = module(folder / "test_darts.py")
    found = [getattr(tests, name) for name in dir(tests) if name.startswith("test_")]
    assert len(found) == 3
    for test in found:
        test()


def test_the_handler_of_files_counts_lines(folder: Path) -> None:
    assert run_handler("lines.count", {"key": "a"}, files={"a": "1\n2\n"}) == 2


def test_the_long_handler_goes_on_from_its_checkpoint_to_the_same_end(folder: Path) -> None:
    saved = list[bytes]()
    with pytest.raises(Draining):
        run_handler("walk", 50, draining=True, on_checkpoint=saved.append)
    assert len(saved) == 1
    assert run_handler("walk", 50, checkpoint=saved[0]) == run_handler("walk", 50)
    assert run_handler("walk", 1, checkpoint=b"[1, 7]") == 7


def test_the_entry_point_names_the_group_and_the_module(folder: Path) -> None:
    points = tomllib.loads(FILES["pyproject.toml"])["project"]["entry-points"]
    assert list(points) == [ENTRY_POINTS]
    assert declared()["darts"].function.__module__ in points[ENTRY_POINTS].values()


def test_the_job_of_the_page_is_accepted(folder: Path) -> None:
    command = next(code for language, _, code in BLOCKS if language == "sh" and "curl" in code)
    call, body, end = re.split(r"<<'JSON'\n|^JSON$", command, flags=re.M)
    assert shlex.split(call)[-1] == "$API/jobs"
    assert not end.strip()
    job = SubmitJobIn.model_validate_json(body)
    assert job.handler in declared()


def test_the_profile_of_the_page_is_the_one_of_that_file() -> None:
    shown: dict[str, Any] = json.loads(FILES["profile.json"])
    file = Path(__file__).parent / "data" / shown["name"]
    found = run_handler("csv.profile", {"key": shown["name"]}, files={shown["name"]: file})
    columns = [column for column in found["columns"] if column["name"] == "celsius"]
    assert shown == found | {"columns": columns}


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (RESULT_INLINE_MAX_BYTES, "{} bytes it travels"),
        (RESULT_MAX_BYTES // 1024**2, "{} MiB at most"),
        (CHECKPOINT_MAX_BYTES // 1024, "stores up to {} KiB"),
        (int(DEFAULT_TIMEOUT_SECONDS), "({} by default"),
        (MAX_TIMEOUT_SECONDS, "{:,} at most)"),
    ],
)
def test_limits_on_the_page_are_those_of_the_code(number: int, words: str) -> None:
    assert words.format(number) in " ".join(PAGE.split())


def test_every_cause_that_the_profiler_names_is_on_the_page() -> None:
    folder = Path(__file__).parents[3] / "worker" / "handlers" / "csv_profile"
    code = "".join(path.read_text() for path in folder.glob("*.py"))
    causes = set(re.findall(r'type="(\w+)"', code)) | {"TruncatedGzip", "CorruptGzip"}
    assert {cause for cause in causes if f"`{cause}`" not in PAGE} == set()
