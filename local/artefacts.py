"""Make the built code quick to start in the emulator: `python -m local.artefacts FOLDER STORE`.

The emulator unpacks layer and code anew for each function process. So the bytecode goes in with
them, and the models of AWS services that no function may call (most of the files) stay out.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import py_compile
import shutil
import sys
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

SERVICES = frozenset(
    [
        "dynamodb",
        "events",
        "lambda",
        "logs",
        "s3",
        "secretsmanager",
        "sqs",
        "ssm",
        "stepfunctions",
        "sts",
    ]
)


def remove_models(folder: Path) -> None:
    """Remove botocore's models of services that the template gives no function access to."""
    for data in folder.rglob("botocore/data"):
        for model in data.iterdir():
            if model.is_dir() and model.name not in SERVICES:
                shutil.rmtree(model)


def stored_at(source: bytes, store: Path) -> Path:
    """Return where the bytecode of `source` is kept: by content, whatever file holds it."""
    return store / f"{hashlib.sha256(source).hexdigest()}.pyc"


def _compile(work: tuple[str, str]) -> None:
    """Compile one file to its place in the store; one that does not compile is left alone.

    Unchecked: valid whatever the file's time is, which unpacking changes.
    """
    source, target = work
    mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
    py_compile.compile(source, target, invalidation_mode=mode, quiet=2)


def _missing(sources: Iterable[Path], store: Path) -> dict[Path, str]:
    """Return one source file for each bytecode file that the store lacks."""
    wanted = {stored_at(source.read_bytes(), store): str(source) for source in sources}
    return {target: source for target, source in wanted.items() if not target.exists()}


def compile_tree(folder: Path, *, store: Path) -> None:
    """Put the bytecode of every module under `folder` beside it, compiling what `store` lacks."""
    store.mkdir(parents=True, exist_ok=True)
    sources = [Path(path) for path in folder.rglob("*.py")]
    work = [(source, str(target)) for target, source in _missing(sources, store).items()]
    if work:
        with ProcessPoolExecutor(os.cpu_count()) as pool:
            list(pool.map(_compile, work, chunksize=32))
    for source in sources:
        target = Path(importlib.util.cache_from_source(source))
        kept = stored_at(source.read_bytes(), store)
        if kept.exists():
            target.parent.mkdir(exist_ok=True)
            shutil.copyfile(kept, target)


if __name__ == "__main__":
    remove_models(Path(sys.argv[1]))
    compile_tree(Path(sys.argv[1]), store=Path(sys.argv[2]))
