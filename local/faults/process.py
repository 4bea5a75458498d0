"""What a process does to itself when the stack has faults: called by `hook/sitecustomize.py`.

Functions import their own botocore from their layer, so it is changed when it comes, not fetched here.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType
from typing import Any

from local.faults import mortality
from local.faults.aws_calls import AwsFaults
from local.faults.dice import Dice
from local.faults.http_calls import HttpFaults
from local.faults.knobs import parse
from local.faults.ledger import Ledger

FAULTS, FOLDER = "FAULTS", "FAULTS_FOLDER"
WORKER = "worker"
_LEASE_SECONDS = 60
_IMMORTAL = frozenset({"monitor_job"})
"""The emulator swallows the error of a function that waits for a task token until its time-out of an
hour; AWS fails the state and the machine tries again."""

type Patches = Mapping[str, Callable[[ModuleType], None]]


def role_of(environ: Mapping[str, str], command: Sequence[str]) -> str | None:
    """Return which part of the stack a process is: a function's folder, the worker, None for others.

    Others are the emulator, and the children in which handlers run: their calls are their author's.
    """
    if name := environ.get("AWS_LAMBDA_FUNCTION_NAME"):
        return name.removeprefix("job-orchestrator-").replace("-", "_")
    return WORKER if list(command[-2:]) == ["-m", WORKER] else None


def install(environ: Mapping[str, str] = os.environ) -> None:
    """Change this process if it is a part of a stack that has faults."""
    role = role_of(environ, sys.orig_argv)
    if FOLDER not in environ or role is None:
        return
    dice = Dice(parse(environ[FAULTS]), Ledger(Path(environ[FOLDER]), role))
    sys.meta_path.insert(0, _Finder(patches_of(role, dice, environ)))


def patches_of(role: str, dice: Dice, environ: Mapping[str, str]) -> Patches:
    """Return what is done to modules after their import; a worker's mortality begins here."""
    if role != WORKER:
        mortal = role not in _IMMORTAL
        faults = AwsFaults(dice, die=_die if mortal else None)
        return {"botocore.client": faults.patch_client, "botocore.endpoint": faults.patch_endpoint}
    held = mortality.Held(float(environ.get("LEASE_SECONDS") or _LEASE_SECONDS))
    mortality.start(dice, held)
    faults = AwsFaults(dice, die=None, watch=held.watch)
    return {
        "botocore.client": faults.patch_client,
        "botocore.endpoint": faults.patch_endpoint,
        "urllib3.poolmanager": HttpFaults(dice, environ["WORK_API_URL"]).patch,
    }


def _die() -> None:
    """End at once, as a function that ran out of time: nothing is flushed or caught."""
    os._exit(1)


class _After(Loader):
    def __init__(self, loader: Loader, patch: Callable[[ModuleType], None]) -> None:
        self._loader, self._patch = loader, patch

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        """Let the real loader create the module."""
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        """Run the module, then change it."""
        self._loader.exec_module(module)
        self._patch(module)


class _Finder(MetaPathFinder):
    def __init__(self, patches: Patches) -> None:
        self._patches = patches

    def find_spec(self, name: str, path: Any, _target: Any = None) -> ModuleSpec | None:
        """Wrap the loaders of the modules to change, and of nothing else."""
        patch = self._patches.get(name)
        spec = PathFinder.find_spec(name, path) if patch is not None else None
        if patch is not None and spec is not None and spec.loader is not None:
            spec.loader = _After(spec.loader, patch)
        return spec
