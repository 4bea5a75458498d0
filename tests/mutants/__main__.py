"""`make mutants`: tests pass on the code as it is, and fail on each mutant."""

from __future__ import annotations

import os
import shutil
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from local import interrupt
from local.paths import ROOT
from local.scope import Scope
from tests.mutants.mutant import DoesNotApply, Mutant
from tests.mutants.safeguards import MUTANTS

AT_ONCE = 2
_COPIED = ("layers", "functions", "worker", "local", "tests", "statemachine", "events", "docs")
_COPIED_FILES = ("template.yaml", "pyproject.toml", "samconfig.toml")
_FAILED = 1
"""pytest's exit code where tests ran and some failed; 2 to 5 mean that they could not be run."""


def _copy(folder: Path) -> Path:
    """Copy what the tests need."""
    skip = shutil.ignore_patterns("__pycache__", "node_modules", ".hypothesis")
    for name in _COPIED:
        shutil.copytree(ROOT / name, folder / name, ignore=skip)
    for name in _COPIED_FILES:
        shutil.copy(ROOT / name, folder / name)
    return folder


def _pytest(scope: Scope, tree: Path, tests: tuple[str, ...]) -> int:
    """Run tests in a tree until one fails; return pytest's exit code."""
    paths = [tree, tree / "layers" / "core", tree / "functions"]
    env = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(map(str, paths)),
        # A mutant and the original may have the same size and second: bytecode would hide it.
        "PYTHONDONTWRITEBYTECODE": "1",
        "HYPOTHESIS_STORAGE_DIRECTORY": str(tree / ".hypothesis"),
    }
    command = (sys.executable, "-m", "pytest", "-x", "-q", "--no-header", *tests)
    return scope.run(command, env=env, cwd=tree, log=tree / "pytest.log")


def _tail(tree: Path) -> str:
    """Return the end of the last run's output."""
    return (tree / "pytest.log").read_text(encoding="utf-8", errors="replace")[-2000:]


def _judge(scope: Scope, mutant: Mutant) -> str:
    """Return what came of a mutant: killed, survived, or why it could not be judged."""
    tree = _copy(scope.folder(mutant.name.replace(" ", "-")))
    try:
        text = mutant.text(tree)
    except DoesNotApply as error:
        return f"does not apply: {error}"
    (tree / mutant.file).write_text(text, encoding="utf-8")
    code = _pytest(scope, tree, mutant.tests)
    if code == 0:
        return "SURVIVED"
    if code != _FAILED:
        return f"not judged: pytest ended with {code}\n{_tail(tree)}"
    shutil.rmtree(tree)
    return "killed"


def _timed(scope: Scope, mutant: Mutant) -> tuple[Mutant, str, float]:
    begun = time.monotonic()
    return mutant, _judge(scope, mutant), time.monotonic() - begun


def main(names: list[str]) -> int:
    """Judge the mutants whose names hold one of `names`, all of them where none is given."""
    interrupt.install()
    chosen = [m for m in MUTANTS if not names or any(name in m.name for name in names)]
    with Scope() as scope:
        original = _copy(scope.folder("original"))
        for tests in sorted({mutant.tests for mutant in chosen}):
            if _pytest(scope, original, tests) != 0:
                print(_tail(original), file=sys.stderr)
                print("Tests fail on the code as it is: mutants say nothing.", file=sys.stderr)
                return 1
        with ThreadPoolExecutor(AT_ONCE) as pool:
            results = []
            for mutant, verdict, seconds in pool.map(lambda m: _timed(scope, m), chosen):
                print(f"{verdict:<10} {seconds:6.1f} s  {mutant.name}", flush=True)
                results.append(verdict)
    alive = len([verdict for verdict in results if verdict != "killed"])
    print(f"\n{len(results) - alive} of {len(results)} mutants killed")
    return 1 if alive else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
