"""Make the environments that a command needs: `python3 -m local.bootstrap emulator sam local`.

Runs on any Python from 3.8 on, with nothing but the standard library. Each environment is made from
a hashed lock file and stamped when it is complete: the stamp makes the next run instant, and its
absence makes an interrupted set-up begin again.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from local import interpreter, interrupt, package_index
from local.errors import LocalError
from local.paths import LOCAL, ROOT, tail, venv_bin
from local.scope import Scope

TOOLS = "uv"
_REQUIREMENTS = ROOT / "local" / "requirements"
# Large, and run only a few times: its modules are compiled as they are first used.
_COMPILED_LATER = ("sam",)
_HELP = (
    "Python 3.13 was not found, and could not be fetched. Install it (python.org, pyenv, "
    "`uv python install 3.13`, your package manager) and try again.\n"
)


def lock_file(name: str) -> Path:
    """Return the lock file of the environment `name`."""
    return _REQUIREMENTS / (name + ".txt")


def stamp_of(lock: bytes, folder: Path) -> str:
    """Return what an environment made from `lock` in `folder` is stamped with.

    The folder is part of it: an environment that was moved or copied does not work.
    """
    return hashlib.sha256(lock + str(folder).encode()).hexdigest()


def is_ready(name: str) -> bool:
    """Return whether the environment is complete, in its place, and made from today's lock file."""
    folder = venv_bin(name).parent
    try:
        stamp = (folder / "stamp").read_text()
    except OSError:
        return False
    runnable = (folder / "bin" / "python").exists()
    return runnable and stamp == stamp_of(lock_file(name).read_bytes(), folder)


def say(message: str) -> None:
    """Tell the person something at once."""
    sys.stderr.write("setup: " + message + "\n")
    sys.stderr.flush()


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    """Hold the set-up's lock: two set-ups at the same time would write over each other."""
    LOCAL.mkdir(exist_ok=True)
    with (LOCAL / "setup.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            say("waiting for another set-up to end")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


class Setup:
    """One run of the set-up; what it starts ends with its scope."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope
        self._folder = scope.folder("setup")
        self._env = dict(os.environ, TMPDIR=str(self._folder))
        self._env.pop("PYTHONDONTWRITEBYTECODE", None)

    def _run(self, *command: str | Path) -> None:
        """Run a command quietly; raise LocalError with the end of its output when it fails."""
        log = self._folder / "log"
        log.write_text("")
        if self._scope.run(command, env=self._env, cwd=ROOT, log=log):
            raise LocalError("This failed: " + " ".join(map(str, command)) + "\n" + tail(log))

    def _new_venv(self, name: str, python: Path) -> Path:
        """Make an empty environment with pip; return its Python."""
        folder = venv_bin(name).parent
        shutil.rmtree(folder, ignore_errors=True)
        self._run(python, "-m", "venv", folder)
        return folder / "bin" / "python"

    def make_tools(self, python: Path) -> None:
        """Make the environment of uv; without it, a person's own uv or pip will do."""
        install = ["-m", "pip", "install", "--quiet", "--no-compile", "--require-hashes"]
        try:
            own = self._new_venv(TOOLS, python)
            self._run(own, *install, "-r", lock_file(TOOLS))
        except LocalError as error:
            say("uv could not be installed\n" + str(error))
            return
        _finish(TOOLS)

    def read_pip_settings(self) -> None:
        """Make uv use the package index that pip is set to use."""
        self._env = package_index.environment(venv_bin(TOOLS) / "python", self._env)

    def fetch_python(self) -> Path:
        """Have uv install Python 3.13 under `.local`; raise LocalError where it cannot."""
        folder = LOCAL / "python"
        command = ["python", "install", "--no-bin", "--install-dir", str(folder)]
        reason = ""
        for uv in _uv_commands():
            try:
                self._run(uv, *command, interpreter.VERSION)
            except LocalError as error:
                reason = str(error)
                continue
            for python in sorted(folder.glob("*/bin/python" + interpreter.VERSION)):
                if interpreter.runs(python):
                    return python
        raise LocalError(_HELP + reason)

    def make(self, name: str, python: Path) -> None:
        """Make one environment, with uv where it works, else with pip."""
        started = time.monotonic()
        for uv in _uv_commands()[:1]:
            try:
                self._install_with_uv(uv, name, python)
                break
            except LocalError as error:
                say("uv could not make '" + name + "', trying pip\n" + str(error))
        else:
            own = self._new_venv(name, python)
            install = ["-m", "pip", "install", "--quiet", "--require-hashes"]
            self._run(own, *install, "-r", lock_file(name))
        _finish(name)
        say(f"environment '{name}' made in {time.monotonic() - started:.1f} s")

    def _install_with_uv(self, uv: str, name: str, python: Path) -> None:
        folder = venv_bin(name).parent
        shutil.rmtree(folder, ignore_errors=True)
        self._run(uv, "venv", "--quiet", "--no-config", "--python", python, folder)
        install = [uv, "pip", "install", "--quiet", "--no-config", "--require-hashes"]
        if name not in _COMPILED_LATER:
            install.append("--compile-bytecode")
        self._run(*install, "--python", folder / "bin" / "python", "-r", lock_file(name))


def _finish(name: str) -> None:
    folder = venv_bin(name).parent
    (folder / "stamp").write_text(stamp_of(lock_file(name).read_bytes(), folder))


def _uv_commands() -> list[str]:
    """Return the uv programs there are, our own before the person's."""
    own, theirs = venv_bin(TOOLS) / "uv", shutil.which("uv")
    return ([str(own)] if own.exists() else []) + ([theirs] if theirs else [])


def _make_missing(missing: Sequence[str]) -> None:
    """Make the environments, beginning with the tools that make the others."""
    say("making " + ", ".join(missing) + " under .local/venvs (first run, or locks changed)")
    python = interpreter.find()
    with Scope() as scope:
        setup = Setup(scope)
        if not is_ready(TOOLS):
            setup.make_tools(python or Path(sys.executable))
        setup.read_pip_settings()
        for name in missing:
            if name != TOOLS:
                python = python or setup.fetch_python()
                setup.make(name, python)


def ensure(names: Sequence[str]) -> None:
    """Make those of the environments that are not ready; raises LocalError."""
    if all(is_ready(name) for name in names):
        return
    with _alone():
        missing = [name for name in names if not is_ready(name)]
        if missing:
            _make_missing(missing)


def main() -> int:
    """Make the environments that are named as arguments."""
    interrupt.install()
    try:
        ensure(sys.argv[1:])
    except LocalError as error:
        say(str(error))
        return 1
    except interrupt.Interrupted as error:
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
