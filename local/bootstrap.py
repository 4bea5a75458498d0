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
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from local import interpreter, interrupt, package_index
from local.errors import LocalError
from local.paths import LOCAL, ROOT, remove, venv_bin

TOOLS = "uv"
_REQUIREMENTS = ROOT / "local" / "requirements"
# Large, and run only a few times: its modules are compiled as they are first used.
_COMPILED_LATER = ("sam",)
_TEMPORARY = LOCAL / "setup-tmp"
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


def _say(message: str) -> None:
    sys.stderr.write("setup: " + message + "\n")
    sys.stderr.flush()


def _run(command: Sequence[str | Path], env: dict[str, str] | None = None) -> None:
    """Run a command quietly; raise LocalError with its output when it fails."""
    words = [str(word) for word in command]
    env = dict(os.environ if env is None else env, TMPDIR=str(_TEMPORARY))
    env.pop("PYTHONDONTWRITEBYTECODE", None)
    done = subprocess.run(
        words, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    if done.returncode:
        raise LocalError("This failed: " + " ".join(words) + "\n" + done.stdout[-4000:])


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    """Hold the set-up's lock: two set-ups at the same time would write over each other."""
    LOCAL.mkdir(exist_ok=True)
    with (LOCAL / "setup.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            _say("waiting for another set-up to end")
            fcntl.flock(file, fcntl.LOCK_EX)
        _TEMPORARY.mkdir(exist_ok=True)
        try:
            yield
        finally:
            remove(_TEMPORARY)


def _finish(name: str) -> None:
    folder = venv_bin(name).parent
    (folder / "stamp").write_text(stamp_of(lock_file(name).read_bytes(), folder))


def _make_tools(python: Path) -> None:
    """Make the environment that holds uv and pip; without uv (no wheel, say) pip alone will do."""
    folder = venv_bin(TOOLS).parent
    shutil.rmtree(folder, ignore_errors=True)
    _run([python, "-m", "venv", folder])
    python = folder / "bin" / "python"
    install = ["-m", "pip", "install", "--quiet", "--no-compile", "--require-hashes", "-r"]
    try:
        _run([python, *install, lock_file(TOOLS)])
    except LocalError as error:
        _say("uv could not be installed, so pip is used, which is slower\n" + str(error)[-600:])
        return
    _finish(TOOLS)


def _uv_commands() -> list[str]:
    """Return the uv programs there are, our own before the person's."""
    own, theirs = venv_bin(TOOLS) / "uv", shutil.which("uv")
    return ([str(own)] if own.exists() else []) + ([theirs] if theirs else [])


def _fetch_python(env: dict[str, str]) -> Path:
    """Have uv install Python 3.13 under `.local`; raise LocalError where it cannot."""
    folder = LOCAL / "python"
    command = ["python", "install", "--quiet", "--no-bin", "--install-dir", str(folder)]
    reason = ""
    for uv in _uv_commands():
        try:
            _run([uv, *command, interpreter.VERSION], env)
        except LocalError as error:
            reason = str(error)
            continue
        for python in sorted(folder.glob("*/bin/python" + interpreter.VERSION)):
            if interpreter.runs(python):
                return python
    raise LocalError(_HELP + reason)


def _install_with_uv(uv: str, name: str, python: Path, env: dict[str, str]) -> None:
    folder = venv_bin(name).parent
    _run([uv, "venv", "--quiet", "--no-config", "--clear", "--python", python, folder], env)
    install = [uv, "pip", "install", "--quiet", "--no-config", "--require-hashes"]
    if name not in _COMPILED_LATER:
        install.append("--compile-bytecode")
    _run([*install, "--python", folder / "bin" / "python", "-r", lock_file(name)], env)


def _install_with_pip(name: str, python: Path) -> None:
    folder = venv_bin(name).parent
    shutil.rmtree(folder, ignore_errors=True)
    _run([python, "-m", "venv", folder])
    install = ["-m", "pip", "install", "--quiet", "--require-hashes", "-r"]
    _run([folder / "bin" / "python", *install, lock_file(name)])


def _make(name: str, python: Path, env: dict[str, str]) -> None:
    """Make one environment, with uv where it works, else with pip."""
    started = time.monotonic()
    for uv in _uv_commands()[:1]:
        try:
            _install_with_uv(uv, name, python, env)
            break
        except LocalError as error:
            _say("uv could not make '" + name + "', trying pip\n" + str(error)[-600:])
    else:
        _install_with_pip(name, python)
    _finish(name)
    _say(f"environment '{name}' made in {time.monotonic() - started:.1f} s")


def ensure(names: Sequence[str]) -> None:
    """Make those of the environments that are not ready; raises LocalError."""
    if all(is_ready(name) for name in names):
        return
    with _alone():
        missing = [name for name in names if not is_ready(name)]
        if not missing:
            return
        _say("making " + ", ".join(missing) + " under .local/venvs (first run, or locks changed)")
        python = interpreter.find()
        if not is_ready(TOOLS):
            _make_tools(python or Path(sys.executable))
        env = package_index.environment(venv_bin(TOOLS) / "python")
        for name in missing:
            if name != TOOLS:
                python = python or _fetch_python(env)
                _make(name, python, env)


def main() -> int:
    """Make the environments that are named as arguments."""
    interrupt.install()
    try:
        ensure(sys.argv[1:])
    except LocalError as error:
        _say(str(error))
        return 1
    except interrupt.Interrupted as error:
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
