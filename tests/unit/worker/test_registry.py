"""How handlers are found, and what a user is told when they are not."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.worker.conftest import HANDLERS
from worker import Context, Json, PermanentError, Task, handler
from worker.invoke import BadResult, InvalidInput
from worker.registry import HandlerError, declared, load_handlers
from worker.testing import run_handler

SOURCE = """
from worker import Context, Task, handler

@handler("{name}")
def {function}(task: Task, context: Context) -> str:
    return "{name}"
"""


def write(path: Path, name: str) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(SOURCE.format(name=name, function=name.replace(".", "_")))
    return str(path)


def load_in_new_process(*sources: str) -> str:
    """Load in a process of its own: the registry is the process's."""
    code = (
        "import sys; from worker.registry import *\n"
        "try: print(sorted(load_handlers(sys.argv[1:])))\n"
        "except HandlerError as error: print(error)"
    )
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, "-c", code, *sources]
    return subprocess.run(command, env=env, capture_output=True, text=True, check=True).stdout


def test_files_folders_and_packages_are_loaded(tmp_path: Path) -> None:
    file = write(tmp_path / "one.py", "of.file")
    write(tmp_path / "folder" / "two.py", "of.folder")
    (tmp_path / "pack").mkdir()
    (tmp_path / "pack" / "__init__.py").touch()
    write(tmp_path / "pack" / "three.py", "of.package")
    found = load_in_new_process(file, str(tmp_path / "folder"), str(tmp_path / "pack"))
    assert all(name in found for name in ("of.file", "of.folder", "of.package", "echo"))


def test_two_handlers_of_one_name_are_an_error_that_names_both(tmp_path: Path) -> None:
    one = write(tmp_path / "a" / "mine.py", "same.name")
    two = write(tmp_path / "b" / "mine.py", "same.name")
    told = load_in_new_process(one, two)
    assert "'same.name' is declared in mine.same_name and in b_mine.same_name" in told


@pytest.mark.parametrize(
    ("source", "reason"),
    [("not_a_module_at_all", "No module named"), ("missing.py", "there is no such file")],
)
def test_what_cannot_be_loaded_is_named(source: str, reason: str) -> None:
    with pytest.raises(HandlerError, match=reason) as raised:
        load_handlers([source])
    assert source in str(raised.value)


def test_an_empty_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(HandlerError, match=r"no \.py file"):
        load_handlers([str(tmp_path)])


def test_declaring_a_function_again_is_no_error() -> None:
    @handler("test.again")
    def again(task: Task, context: Context) -> None:
        """Do nothing."""

    handler("test.again")(again)
    assert declared()["test.again"].function is again


def test_a_handler_runs_alone_in_its_authors_tests(tmp_path: Path) -> None:
    @handler("test.alone")
    def alone(task: Task, context: Context) -> Json:
        context.progress(2)
        copy = context.fetch_input("folder/a.txt")
        with context.open_input("b") as opened:
            return [copy.read_text(), opened.read().decode(), context.cancelled, task.parameters]

    progress: list[float] = []
    local = tmp_path / "local.txt"
    local.write_text("from a path")
    result = run_handler(
        alone,
        parameters={"p": 1},
        files={"folder/a.txt": "from text", "b": local},
        cancelled=True,
        on_progress=progress.append,
    )
    assert result == ["from text", "from a path", True, {"p": 1}]
    assert progress == [1.0]


def test_a_handler_run_alone_raises_what_it_raises() -> None:
    load_handlers([HANDLERS])
    assert run_handler("ok.sum", {"a": 1, "b": 2}) == 3
    with pytest.raises(PermanentError):
        run_handler("bad.permanent")
    with pytest.raises(BadResult):
        run_handler("bad.result", "nan")
    with pytest.raises(InvalidInput, match=r"input\.b: Field required"):
        run_handler("ok.sum", {"a": 1})
    with pytest.raises(LookupError, match=r"no handler 'ok\.none'"):
        run_handler("ok.none")
    with pytest.raises(FileNotFoundError):
        run_handler(lambda task, context: context.open_input("x"))
