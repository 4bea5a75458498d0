"""`test`, `lint` and the other commands of a developer: `python -m local.checks test`."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from local import aws, interrupt
from local.paths import LOCAL, ROOT, venv_bin
from local.scope import Scope

_PYTHON = str(venv_bin("dev") / "python")
_CODE = ("layers/core", "functions", "worker", "local", "tests")
_SAM = (str(venv_bin("sam") / "python"), "-m", "samcli")
# Scripts of an environment are not run by name: their first line cannot hold every path.
_CFN_LINT = "import sys; from cfnlint.runner import main; sys.exit(main())"
_IMPORT_LINTER = "import sys; from importlinter.cli import lint_imports_command as run; run()"

LINT: Mapping[str, Sequence[str]] = {
    "ruff": (_PYTHON, "-m", "ruff", "check"),
    "ruff format": (_PYTHON, "-m", "ruff", "format", "--check"),
    "mypy": (_PYTHON, "-m", "mypy", *_CODE),
    "import-linter": (_PYTHON, "-c", _IMPORT_LINTER),
    "cfn-lint": (_PYTHON, "-c", _CFN_LINT, "template.yaml"),
    "sam validate": (*_SAM, "validate", "--lint", "--region", aws.REGION),
}
SITE: Mapping[str, Sequence[str]] = {"site": (_PYTHON, "-m", "local.site_checks")}
_PYTEST = (_PYTHON, "-m", "pytest", "-p", "local.pytest_interrupt", "--cov", "--cov-report=term")
_PROCESSES_MAX = 8


def in_parallel(cores: int) -> tuple[str, ...]:
    """Return pytest's options for the whole suite: one process more than cores, since many tests wait.

    What belongs in one process and what begins first, tests/conftest.py says.
    """
    processes = min(cores + 1, _PROCESSES_MAX)
    return ("--numprocesses", str(processes), "--dist", "loadgroup", "--no-loadscope-reorder")


def environment(folder: Path) -> dict[str, str]:
    """Return the environment of checks: temporary files go with the scope, imports as in Lambda."""
    paths = [ROOT, ROOT / "layers" / "core", ROOT / "functions"]
    return aws.without_aws(os.environ) | {
        "PYTHONPATH": os.pathsep.join(str(path) for path in paths),
        "TMPDIR": str(folder),
        "COVERAGE_FILE": str(LOCAL / "coverage"),
        "AWS_EC2_METADATA_DISABLED": "true",
        "SAM_CLI_TELEMETRY": "0",
    }


def steps(command: str, arguments: Sequence[str]) -> dict[str, Sequence[str]]:
    """Return the steps of a command, by name."""
    commands: dict[str, dict[str, Sequence[str]]] = {
        "lint": dict(LINT),
        "test": {"pytest": (*_PYTEST, *arguments)} if arguments else _everything(),
        "test-site": {"site in a browser": (_PYTHON, "-m", "tests.site", *arguments)},
        "format": {"ruff format": (_PYTHON, "-m", "ruff", "format")},
        "bench": {"bench": (_PYTHON, "-m", "tests.bench", *arguments)},
        "chaos": {"chaos": (_PYTHON, "-m", "tests.chaos", *arguments)},
        "mutants": {"mutants": (_PYTHON, "-m", "tests.mutants", *arguments)},
        "openapi": {"openapi": (_PYTHON, "-m", "jobs_api.openapi", "docs/openapi.json")},
        "docs": {"states": (_PYTHON, "-m", "local.states_page")},
    }
    return commands[command]


def _everything() -> dict[str, Sequence[str]]:
    return {**LINT, **SITE, "pytest": (*_PYTEST, *in_parallel(os.process_cpu_count() or 1))}


def run(command: str, arguments: Sequence[str]) -> int:
    """Run every step, also after one that failed; 0 when all have passed."""
    failed = []
    with Scope() as scope:
        env = environment(scope.folder("checks"))
        for name, step in steps(command, arguments).items():
            print(f"== {name}", flush=True)
            if scope.run(step, env=env, cwd=ROOT, log=None):
                failed.append(name)
    if failed:
        print(f"\nFailed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


def main() -> int:
    """Run the command line."""
    interrupt.install()
    try:
        return run(sys.argv[1], sys.argv[2:])
    except interrupt.Interrupted as error:
        return error.exit_code


if __name__ == "__main__":
    sys.exit(main())
